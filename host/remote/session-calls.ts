import {
  type Asker,
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
  readonly submit: SubmitCall;
}

/** The engine's own door without a promise: whoever asks is told, at once or later. @throws what the call meets at once. */
export type SubmitCall = (invocation: VerifiedInvocation, asker: Asker<Uint8Array>) => void;

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
      handle: (call, asker) => this.#run(call, asker),
      onRefused: (why) => counts.refuse(codes[why]),
    });
  }

  /** True when the message is one of a session; then it is answered here. */
  receive(message: BusMessage): boolean {
    return this.#receiver.receive(message);
  }

  /** @throws LatticeError as `SessionCaller.ask`. */
  ask(
    { host }: PeerHost,
    place: string,
    { origin, target: meant, operation, payload, hops, trace }: VerifiedInvocation,
    target: WireEntity,
    { budgetMs, timeoutMs }: CallTime,
    asker: Asker<Uint8Array>,
  ): void {
    const call = {
      origin,
      target: remoteTarget(target, meant),
      operation,
      payload,
      budgetMs,
      hops,
      trace,
    };
    this.#caller.ask({ host, place }, call, { timeoutMs }, asker);
  }

  /** Forgets what was agreed with a host that is gone. */
  forget(host: string): void {
    this.#caller.forget(host);
    this.#receiver.forget(host);
  }

  #run(
    { from, origin, target, operation, payload, budgetMs, hops, trace }: ProvenCall,
    asker: Asker<Uint8Array>,
  ): void {
    const { counts, tables, submit } = this.#options;
    counts.served.session++;
    const deadline = performance.now() + budgetMs;
    if (origin.kind === "operator" && target.kind === "provider")
      throw fail("LINK_ABSENT", origin.name, target.contractId, target.linkName);
    submit(
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
      asker,
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
