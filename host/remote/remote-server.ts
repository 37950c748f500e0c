import {
  actorEntity,
  type Bus,
  type BusMessage,
  decodeInvocation,
  encodeResponse,
  failureResponse,
  type InvocationVerifier,
  type LargePayloads,
  providerEntity,
  providerQueue,
  remoteInvocation,
  speaksWasmcloud,
  type Subjects,
  type Subscription,
  successResponse,
  traceOfHeaders,
  unknownInvocationId,
  type VerifiedInvocation,
  type VerifiedWireInvocation,
  type WireEntity,
  type RpcPolicy,
} from "../../lattice/index.ts";
import { within } from "../deadlines.ts";
import type { ProviderSpec } from "../engine-messages.ts";
import type { PlacementRow, Tables } from "../tables.ts";
import { asLatticeError } from "../wire.ts";
import { entityOrigin, entityTarget, hasSubject } from "./entities.ts";
import type { RemoteCounts } from "./figures.ts";
import type { SessionCalls } from "./session-calls.ts";
import { codeHeaders, readLimits } from "./signed-calls.ts";

export interface RemoteServerOptions {
  readonly rpc: RpcPolicy;
  /** N key of this host, and this engine's place in it as subjects name it. */
  readonly host: string;
  readonly place: string;
  readonly bus: Bus;
  readonly subjects: Subjects;
  readonly tables: Tables;
  readonly verifier: InvocationVerifier;
  readonly large: LargePayloads;
  readonly sessions: SessionCalls;
  readonly counts: RemoteCounts;
  /** How long a caller waits that does not say it, in milliseconds. */
  readonly timeoutMs: number;
  /** Whether this engine answers for what runs in those places. */
  readonly serves: (places: readonly number[]) => boolean;
  /** The engine's own door: calls are verified before they come here. */
  readonly invoke: (invocation: VerifiedInvocation) => Promise<Uint8Array>;
}

/** Longest wait for the server while the last calls come in, in milliseconds. */
const lastAnswersMs = 2_000;

/**
 * Calls of other hosts to what runs here: each is verified, enters dispatch as any other and gets one
 * answer. What is no call or not one of ours is refused, and counted by reason.
 */
export class RemoteServer {
  readonly #options: RemoteServerOptions;
  readonly #shared = new Map<string, Subscription>();
  #directed: Subscription | undefined;
  #state: "open" | "draining" | "stopped" = "open";

  constructor(options: RemoteServerOptions) {
    this.#options = options;
  }

  /** Listens for calls to this engine, and to everything that runs in it now. */
  open(): void {
    const { bus, subjects, host, place, tables } = this.#options;
    this.#directed = bus.subscribe(subjects.write("directed", { host, place }), (message) => this.#direct(message));
    for (const key of new Set([...tables.placements.values()].map(({ spec }) => spec.module.key)))
      this.actorChanged(key);
    for (const { spec } of tables.providers.values()) this.providerChanged(spec);
  }

  /** Something about an actor's placements changed: it is listened for, or no more. */
  actorChanged(key: string): void {
    const { tables, subjects } = this.#options;
    const subject = subjects.write("actorRpc", { actor: key });
    const me = actorEntity(key);
    this.#want(
      subject,
      tables.placementsOf(key).some((row) => this.#runs(row)),
      subject,
      me,
    );
  }

  /** A provider runs now. */
  providerChanged({ key, linkName, contractId, places }: ProviderSpec): void {
    const { serves, subjects } = this.#options;
    if (!hasSubject(key, linkName)) return;
    const subject = subjects.write("providerRpc", { provider: key, linkName });
    this.#want(subject, serves(places), providerQueue, providerEntity(key, contractId, linkName));
  }

  /**
   * A placement is to take no more calls: when no other of its actor runs here, its subject is left
   * first, and what came by it answered, so that nobody who shares it is refused.
   */
  async leaveActor({ spec: { id, module } }: PlacementRow): Promise<void> {
    const others = this.#options.tables.placementsOf(module.key).some((row) => row.spec.id !== id && this.#runs(row));
    if (!others) await this.#leave(this.#options.subjects.write("actorRpc", { actor: module.key }));
  }

  /** The same for a provider; one that takes its place has its key and link name already. */
  async leaveProvider({ id, key, linkName }: ProviderSpec): Promise<void> {
    const others = [...this.#options.tables.providers.values()].some(
      ({ spec, draining }) => spec.id !== id && spec.key === key && spec.linkName === linkName && !draining,
    );
    if (!others && hasSubject(key, linkName))
      await this.#leave(this.#options.subjects.write("providerRpc", { provider: key, linkName }));
  }

  /** Leaves the subjects that others share; calls directed here are still told why they are refused. */
  async drain(): Promise<void> {
    if (this.#state === "open") this.#state = "draining";
    await Promise.all([...this.#shared.keys()].map((subject) => this.#leave(subject)));
  }

  /** Whoever asked before is told that nothing runs here any more, whoever asks later that nobody listens. May be called twice. */
  async stop(): Promise<void> {
    this.#state = "stopped";
    for (const subscription of this.#shared.values()) subscription.unsubscribe();
    this.#shared.clear();
    if (!this.#directed) return;
    const { bus } = this.#options;
    await within(
      this.#directed.drain().then(() => bus.flush()),
      lastAnswersMs,
      "the last calls",
    ).catch(() => {});
    this.#directed.unsubscribe();
  }

  #want(subject: string, wanted: boolean, queue: string, me: WireEntity): void {
    const held = this.#shared.get(subject);
    if (wanted && !held && this.#state === "open" && speaksWasmcloud(this.#options.rpc)) {
      const subscription = this.#options.bus.subscribe(subject, (message) => this.#answer(message, me), { queue });
      this.#shared.set(subject, subscription);
    } else if (!wanted) {
      void this.#leave(subject);
    }
  }

  /** What it got already is answered still. */
  async #leave(subject: string): Promise<void> {
    const held = this.#shared.get(subject);
    this.#shared.delete(subject);
    await held?.drain();
  }

  #runs({ spec, draining, expired }: PlacementRow): boolean {
    return !draining && !expired && this.#options.serves(spec.places);
  }

  #direct(message: BusMessage): Promise<void> | void {
    const { sessions, rpc, counts } = this.#options;
    if (rpc !== "wasmcloud" && sessions.receive(message)) return;
    if (speaksWasmcloud(rpc)) return this.#answer(message, undefined);
    counts.refuse("INVOCATION_MALFORMED");
  }

  /** `me` is whose subject it came on; on the directed one anybody's of this host. */
  async #answer(message: BusMessage, me: WireEntity | undefined): Promise<void> {
    const { large, counts } = this.#options;
    let id = unknownInvocationId;
    let served = false;
    try {
      const invocation = decodeInvocation(message.payload);
      ({ id } = invocation);
      const verified = this.#invocation(await this.#prove(invocation, me), message);
      served = true;
      counts.served.wasmcloud++;
      const payload = await this.#options.invoke(verified);
      const response = await large.offloadResponse(successResponse(id, payload));
      message.respond(encodeResponse(response));
    } catch (error) {
      const told = asLatticeError(error, "a call");
      if (!served) counts.refuse(told.code);
      message.respond(encodeResponse(failureResponse(id, told)), codeHeaders(told));
    }
  }

  async #prove(invocation: ReturnType<typeof decodeInvocation>, me: WireEntity | undefined) {
    const { verifier, large } = this.#options;
    const checked = verifier.check(invocation, me ?? invocation.target);
    return verifier.prove(checked, await large.payloadOf(checked));
  }

  #invocation(proven: VerifiedWireInvocation, { headers }: BusMessage): VerifiedInvocation {
    const { tables, timeoutMs } = this.#options;
    const { origin, operation, payload, trace, hostId } = proven;
    const { hops, budgetMs } = readLimits(headers, timeoutMs);
    return remoteInvocation(
      hostId,
      entityOrigin(origin, tables),
      entityTarget(proven, tables),
      operation,
      payload,
      performance.now() + budgetMs,
      hops,
      trace ?? traceOfHeaders(headers),
    );
  }
}
