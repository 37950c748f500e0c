import {
  type Bus,
  fail,
  failFrom,
  type Hellos,
  isLatticeError,
  providerEntity,
  actorEntity,
  type RpcPolicy,
  speaksWasmcloud,
  type Subjects,
  type Target,
  type VerifiedInvocation,
  type WireEntity,
} from "../../lattice/index.ts";
import { graceMs } from "../deadlines.ts";
import type { Elsewhere } from "../dispatch.ts";
import type { LinkSpec } from "../engine-messages.ts";
import type { LinkRow, Tables } from "../tables.ts";
import { type Candidate, fits, pick } from "./candidates.ts";
import { hasSubject, originEntity } from "./entities.ts";
import type { CallForm, CallTime, RemoteCounts } from "./figures.ts";
import { Outstanding } from "./outstanding.ts";
import type { PeerHost } from "./peers.ts";
import type { SessionCalls } from "./session-calls.ts";
import type { SignedCalls } from "./signed-calls.ts";

export interface RemoteCallsOptions {
  readonly lattice: string;
  readonly rpc: RpcPolicy;
  readonly bus: Bus;
  readonly subjects: Subjects;
  readonly tables: Tables;
  readonly signed: SignedCalls;
  readonly sessions: SessionCalls;
  readonly hellos: Hellos;
  readonly counts: RemoteCounts;
  /** Longest wait for an answer, in milliseconds. */
  readonly timeoutMs: number;
}

/** Refusals that say for certain that an actor's code was not entered: another host may be asked. */
const notBegun: ReadonlySet<string> = new Set([
  "NO_RESPONDERS",
  "HELLO_REFUSED",
  "SESSION_REFUSED",
  "ACTOR_ABSENT",
  "DRAINING",
  "QUEUE_FULL",
]);

/**
 * Calls to other hosts. A target that one of our hosts announces is called there directly, on the one
 * of two with more room; any other on the subject that its hosts of 0.x share. A call that may have
 * begun is never sent again.
 */
export class RemoteCalls implements Elsewhere {
  readonly #options: RemoteCallsOptions;
  readonly #outstanding = new Outstanding();
  #turn = 0;

  constructor(options: RemoteCallsOptions) {
    this.#options = options;
  }

  hasRoom(key: string, placement: string | undefined): boolean {
    return this.#running(key, placement, undefined).some(({ room }) => room > 0);
  }

  toActor(invocation: VerifiedInvocation): Promise<Uint8Array> {
    return this.#toActor(withOwnBytes(invocation));
  }

  toProvider(invocation: VerifiedInvocation, { spec }: LinkRow): Promise<Uint8Array> {
    return this.#toProvider(withOwnBytes(invocation), spec);
  }

  async #toActor(invocation: VerifiedInvocation): Promise<Uint8Array> {
    const { tables, lattice } = this.#options;
    // Only calls of actors are routed here.
    const { key, placement } = invocation.target as Extract<Target, { kind: "actor" }>;
    // A provider has encoded for the era that its link tells.
    const era = invocation.origin.kind === "provider" ? tables.known(key)?.era : undefined;
    const direct = await this.#directly(this.#running(key, placement, era), invocation, actorEntity(key));
    if (direct.answer) return direct.answer;
    if (placement !== undefined && direct.refusal === undefined) throw fail("PLACEMENT_ABSENT", placement);
    if (direct.refusal && !isCode(direct.refusal, "NO_RESPONDERS")) throw direct.refusal;
    const subject = this.#options.subjects.write("actorRpc", { actor: key });
    const hosts = tables.peers
      .actorsOf(key)
      .map(({ peer }) => peer.name)
      .join(", ");
    return this.#shared(subject, invocation, actorEntity(key), () =>
      hosts !== "" ? fail("HOSTS_UNREACHED", `actor ${key}`, hosts) : fail("ACTOR_ABSENT", key, lattice),
    );
  }

  async #toProvider(invocation: VerifiedInvocation, spec: LinkSpec): Promise<Uint8Array> {
    const { tables, subjects, lattice } = this.#options;
    const linkName = spec.providerLinkName ?? spec.linkName;
    const target = providerEntity(spec.provider, spec.contractId, linkName);
    const found = tables.peers.providersOf(spec.provider, linkName);
    const direct = await this.#directly(
      found.filter(({ peer }) => !peer.draining).map(({ peer }) => ({ peer, room: 1 })),
      invocation,
      target,
    );
    if (direct.answer) return direct.answer;
    if (direct.refusal && !isCode(direct.refusal, "NO_RESPONDERS")) throw direct.refusal;
    const hosts = found.map(({ peer }) => peer.name).join(", ");
    const absent = () =>
      hosts !== ""
        ? fail("HOSTS_UNREACHED", `provider ${spec.provider}`, hosts)
        : fail("PROVIDER_ABSENT", spec.provider, lattice);
    if (!hasSubject(spec.provider, linkName)) throw absent();
    const subject = subjects.write("providerRpc", { provider: spec.provider, linkName });
    return this.#shared(subject, invocation, target, absent);
  }

  /** A host is gone: what waits for it fails. */
  hostGone({ host, name }: PeerHost): void {
    this.#outstanding.lost(host, name);
    this.#options.sessions.forget(host);
  }

  stop(): void {
    this.#outstanding.stop(() => fail("STOPPED", "the host"));
  }

  #running(key: string, placement: string | undefined, era: Parameters<typeof fits>[3]): readonly Candidate[] {
    return this.#options.tables.peers.actorsOf(key).flatMap(({ peer, actor }) => {
      if (!fits(peer, actor, placement, era)) return [];
      return { peer, room: actor.room - this.#outstanding.count(peer.host) };
    });
  }

  /** Asks one of the hosts, and another one when the first has certainly not begun. */
  async #directly(
    candidates: readonly Candidate[],
    invocation: VerifiedInvocation,
    target: WireEntity,
  ): Promise<{ answer?: Uint8Array; refusal?: unknown }> {
    let refusal: unknown;
    let left = candidates;
    for (let tries = 0; tries < 2; tries++) {
      const chosen = pick(left);
      if (!chosen) break;
      try {
        return {
          answer: await this.#outstanding.wait(chosen.peer.host, this.#direct(chosen.peer, invocation, target)),
        };
      } catch (error) {
        if (!isLatticeError(error) || !notBegun.has(error.code)) throw error;
        refusal = error;
        left = left.filter(({ peer }) => peer !== chosen.peer);
      }
    }
    return { refusal };
  }

  async #direct(peer: PeerHost, invocation: VerifiedInvocation, target: WireEntity): Promise<Uint8Array> {
    const { hellos, sessions, subjects } = this.#options;
    this.#meet(peer);
    const chosen = hellos.formFor(peer.host);
    if (chosen.form === "none") throw fail("SESSION_REFUSED", peer.name, chosen.why);
    const ask = (place: string) =>
      chosen.form === "session"
        ? this.#counted("session", invocation, (time) => sessions.ask(peer, place, invocation, target, time))
        : this.#signed(subjects.write("directed", { host: peer.host, place }), invocation, target);
    const [first, ...others] = this.#placesOf(peer);
    try {
      return await ask(first);
    } catch (error) {
      // An engine on its way back: its neighbours know the way too.
      if (!isCode(error, "NO_RESPONDERS") || others[0] === undefined) throw error;
      return ask(others[0]);
    }
  }

  /** A host that was started again may have called us before it has announced itself anew: its later hello stands. */
  #meet({ host, hello }: PeerHost): void {
    const { hellos } = this.#options;
    try {
      hellos.accept(hello);
    } catch (error) {
      if (!hellos.get(host)) throw error;
    }
  }

  /** The subject that all hosts share which run the target; nobody there is known at once. */
  async #shared(
    subject: string,
    invocation: VerifiedInvocation,
    target: WireEntity,
    absent: () => Error,
  ): Promise<Uint8Array> {
    if (!speaksWasmcloud(this.#options.rpc)) throw absent();
    try {
      return await this.#signed(subject, invocation, target);
    } catch (error) {
      throw isCode(error, "NO_RESPONDERS") ? absent() : error;
    }
  }

  #signed(subject: string, invocation: VerifiedInvocation, target: WireEntity): Promise<Uint8Array> {
    const { origin, operation, payload, hops, trace } = invocation;
    const call = { origin: originEntity(origin), target, operation, payload, hops, trace };
    return this.#counted("wasmcloud", invocation, (time) => this.#options.signed.ask(subject, call, time));
  }

  async #counted(
    form: CallForm,
    { deadline, operation }: VerifiedInvocation,
    ask: (time: CallTime) => Promise<Uint8Array>,
  ): Promise<Uint8Array> {
    const { counts, timeoutMs } = this.#options;
    const left = deadline - performance.now();
    if (left < 1) throw fail("DEADLINE_EXCEEDED", operation, 0);
    counts.sent[form]++;
    const budgetMs = Math.floor(Math.min(left, timeoutMs));
    try {
      // A guest meets its own deadline first; the answer of its host call would only be another end.
      return await ask({ budgetMs, timeoutMs: Math.min(budgetMs + graceMs, timeoutMs) });
    } catch (error) {
      counts.failed[form]++;
      if (!isCode(error, "RPC_TIMEOUT")) throw error;
      // Whose time was over: the caller's own, or that of calls between hosts.
      const what = `${operation} on another host`;
      throw left < timeoutMs
        ? failFrom(error, "DEADLINE_EXCEEDED", what, budgetMs)
        : failFrom(error, "RPC_TIMEOUT", what, budgetMs);
    }
  }

  /** Engines before the caller's thread, each in turn: whichever is asked knows its neighbours. */
  #placesOf({ places }: PeerHost): readonly [string, ...string[]] {
    const engines = places.filter((place) => place !== "c");
    const first = engines[this.#turn++ % engines.length];
    if (first === undefined) return ["c"];
    return [first, ...engines.filter((place) => place !== first), "c"];
  }
}

/** A guest may be ended while its call still waits to be sent; then its memory is another's. */
function withOwnBytes(invocation: VerifiedInvocation): VerifiedInvocation {
  return { ...invocation, payload: invocation.payload.slice() };
}

function isCode(error: unknown, code: string): boolean {
  return isLatticeError(error) && error.code === code;
}
