import {
  type Bus,
  type BusMessage,
  fail,
  type Hellos,
  isActorEntity,
  type LargePayloads,
  type ProvenCall,
  remoteInvocation,
  type RemoteTarget,
  SessionCaller,
  type SessionIdentity,
  SessionReceiver,
  type SessionRefusal,
  type Subjects,
  type Target,
  type VerifiedInvocation,
  type WireEntity,
} from "../../lattice/index.ts";
import type { Tables } from "../tables.ts";
import { targetOfLink } from "./entities.ts";
import type { CallTime, RemoteCounts } from "./figures.ts";
import type { PeerHost } from "./peers.ts";

export interface SessionCallsOptions {
  readonly identity: SessionIdentity;
  readonly hellos: Hellos;
  readonly bus: Bus;
  readonly subjects: Subjects;
  /** This engine's place as subjects name it. */
  readonly place: string;
  readonly large: LargePayloads;
  readonly tables: Tables;
  readonly counts: RemoteCounts;
  readonly invoke: (invocation: VerifiedInvocation) => Promise<Uint8Array>;
}

/** What a refused message counts as. */
const codes: Readonly<Record<SessionRefusal, string>> = {
  "not a frame": "FRAME_MALFORMED",
  malformed: "FRAME_MALFORMED",
  "hello refused": "HELLO_REFUSED",
  stranger: "FRAME_STRANGER",
  tag: "FRAME_TAG",
  replay: "FRAME_REPLAYED",
  stream: "FRAME_STREAM",
  unanswered: "ANSWER_UNSENT",
};

/** Calls sealed between two of our hosts, in both directions. */
export class SessionCalls {
  readonly #options: SessionCallsOptions;
  readonly #caller: SessionCaller;
  readonly #receiver: SessionReceiver;

  constructor(options: SessionCallsOptions) {
    this.#options = options;
    const { identity, hellos, bus, subjects, place, large: payloads, counts } = options;
    this.#caller = new SessionCaller({ identity, hellos, bus, subjects, place, payloads });
    this.#receiver = new SessionReceiver({
      identity,
      hellos,
      place,
      payloads,
      maxPayloadBytes: () => bus.maxPayloadBytes,
      handle: (call) => this.#run(call),
      onRefused: (why) => counts.refuse(codes[why]),
    });
  }

  /** True when the message is one of a session; then it is answered here. */
  receive(message: BusMessage): boolean {
    return this.#receiver.receive(message);
  }

  /** @throws LatticeError as `SessionCaller.call`. */
  ask(
    { host }: PeerHost,
    place: string,
    { origin, target: meant, operation, payload, hops, trace }: VerifiedInvocation,
    target: WireEntity,
    { budgetMs, timeoutMs }: CallTime,
  ): Promise<Uint8Array> {
    const call = {
      origin,
      target: remoteTarget(target, meant),
      operation,
      payload,
      budgetMs,
      hops,
      trace,
    };
    return this.#caller.call({ host, place }, call, { timeoutMs });
  }

  /** Forgets what was agreed with a host that is gone. */
  forget(host: string): void {
    this.#caller.forget(host);
    this.#receiver.forget(host);
  }

  #run({ from, origin, target, operation, payload, budgetMs, hops, trace }: ProvenCall): Promise<Uint8Array> {
    const { counts, tables, invoke } = this.#options;
    counts.served.session++;
    const deadline = performance.now() + budgetMs;
    if (origin.kind === "operator" && target.kind === "provider")
      throw fail("LINK_ABSENT", origin.name, target.contractId, target.linkName);
    return invoke(
      remoteInvocation(
        from.host,
        origin,
        localTarget(origin, target, tables),
        operation,
        payload,
        deadline,
        hops,
        trace,
      ),
    );
  }
}

function remoteTarget(entity: WireEntity, meant: Target): RemoteTarget {
  const { publicKey: key, contractId, linkName } = entity;
  if (!isActorEntity(entity) || meant.kind !== "actor") return { kind: "provider", key, contractId, linkName };
  return { kind: "actor", key, ...(meant.placement === undefined ? {} : { placement: meant.placement }) };
}

function localTarget(origin: VerifiedInvocation["origin"], target: RemoteTarget, tables: Tables): Target {
  if (target.kind === "actor") return target;
  const { key: publicKey, contractId, linkName } = target;
  const actor = origin.kind === "operator" ? origin.name : origin.key;
  return targetOfLink(actor, { publicKey, contractId, linkName }, tables);
}
