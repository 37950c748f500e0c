import { createHash, randomBytes, randomUUID } from "node:crypto";
import { type Asker, promised, tell } from "../../asker.ts";
import type { Bus, BusMessage, KnowingAsker, RequestOptions } from "../../bus.ts";
import { fail } from "../../errors.ts";
import { Flow } from "./flow.ts";
import { asBuffer } from "./frame-bytes.ts";
import { inlineLimitBytes } from "../large-payloads.ts";
import type { LargePayloads } from "../large-payloads.ts";
import { traceHeaders } from "../trace.ts";
import type { Subjects } from "../../subjects.ts";
import type { Hellos } from "./hellos.ts";
import type { End } from "./mac.ts";
import { callSize } from "./remote-call.ts";
import type { RemoteAnswer, RemoteCall, StoredPayload } from "./remote-call.ts";
import { answersAnother, encodeOpen, streamBytes } from "./session-frames.ts";
import type { FramePosition } from "./session-frames.ts";
import type { SessionIdentity } from "./session-identity.ts";

export interface SessionCallerOptions {
  readonly identity: SessionIdentity;
  readonly hellos: Hellos;
  readonly bus: Bus;
  readonly subjects: Subjects;
  /** This thread's own place. */
  readonly place: string;
  readonly payloads: LargePayloads;
}

export interface SessionCallOptions {
  /** In milliseconds; the deadline of the whole call, a first conversation included. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** Calls are sent again only when the other end proved that it did not run them. */
const maxRenewals = 3;
/** A conversation may take so long even when whoever began it has less time, in milliseconds: others wait for it too. */
const openingMs = 5_000;
/** Room for ends, position and tag around a call. */
const frameOverhead = 512;

/**
 * Sends calls to places of other hosts of ours in sealed frames. The first call to a place asks for a
 * stream before (one message more), every later one is one message and one answer.
 */
export class SessionCaller {
  readonly #options: SessionCallerOptions;
  /** By host and place. */
  readonly #flows = new Map<string, Map<string, Flow>>();
  readonly #take = (waiting: SealedCall, reply: BusMessage) => this.#opened(waiting, reply);

  constructor(options: SessionCallerOptions) {
    this.#options = options;
  }

  /**
   * Runs a call at a place of another host and returns its answer, which the caller owns.
   * `call.budgetMs` is for the other side; `timeoutMs` bounds the wait here.
   * @throws LatticeError what the call failed with there; NO_RESPONDERS, RPC_TIMEOUT, CALLER_GONE,
   * BUS_CLOSED of the bus; SESSION_REFUSED when no conversation comes about (nothing was run),
   * SESSION_LOST when the answer proves nothing (the call may have run); PAYLOAD_TOO_LARGE.
   */
  call(to: End, call: RemoteCall, options: SessionCallOptions): Promise<Uint8Array> {
    return promised((asker) => this.ask(to, call, options, asker));
  }

  /** `call` without a promise: `asker` is told, later than this returns. @throws LatticeError those that are known at once. */
  ask(to: End, call: RemoteCall, options: SessionCallOptions, asker: Asker<Uint8Array>): void {
    const flow = this.#flow(to);
    const fits = this.#fitsInside(call);
    // Nearly always there is a stream, and nothing to wait for but the answer.
    const sealed = fits && flow.ready(this.#options.hellos.get(to.host)) ? flow.seal(call, undefined) : undefined;
    if (!sealed) return tell(this.#callSlowly(flow, call, fits, options), asker);
    const { bytes, position } = sealed;
    const waiting = new SealedCall(this.#take, flow, position, call, options, asker);
    this.#options.bus.ask(flow.subject, bytes, requestOf(call, options), waiting);
  }

  /** The reply to a call: what it says, or the call once more. @throws LatticeError what the call failed with. */
  #opened(
    { flow, position, call, options, begun, asker }: SealedCall,
    { payload }: BusMessage,
  ): Uint8Array | undefined {
    const answer = flow.read(payload, position);
    if ("renew" in answer) {
      flow.renew(position, answer.renew);
      const timeoutMs = Math.max(1, options.timeoutMs - (performance.now() - begun));
      tell(this.#callSlowly(flow, call, true, { ...options, timeoutMs }), asker);
      return undefined;
    }
    if (!answer.ok) throw answer.error;
    if (!answer.stored) return answer.payload;
    tell(this.#fetch(answer.stored), asker);
    return undefined;
  }

  async #callSlowly(flow: Flow, call: RemoteCall, fits: boolean, options: SessionCallOptions): Promise<Uint8Array> {
    const stored = fits ? undefined : await this.#store(call.payload);
    try {
      return await this.#payloadOf(
        await this.#ask(flow, stored ? { ...call, payload: nothing } : call, stored, options),
      );
    } catch (error) {
      if (stored) await this.#options.payloads.discard(stored.name);
      throw error;
    }
  }

  #payloadOf(answer: RemoteAnswer): Uint8Array | Promise<Uint8Array> {
    if (!answer.ok) throw answer.error;
    return answer.stored ? this.#fetch(answer.stored) : answer.payload;
  }

  async #fetch({ name, bytes, digest }: StoredPayload): Promise<Uint8Array> {
    const payload = await this.#options.payloads.take(name, bytes);
    if (!sameDigest(payload, digest)) throw fail("BLOB_CORRUPT", name);
    return payload;
  }

  #fitsInside(call: RemoteCall): boolean {
    return (
      call.payload.length <= inlineLimitBytes && callSize(call) + frameOverhead <= this.#options.bus.maxPayloadBytes
    );
  }

  /** Forgets what was agreed with a host that is gone. */
  forget(host: string): void {
    this.#flows.delete(host);
  }

  async #ask(flow: Flow, call: RemoteCall, stored: StoredPayload | undefined, options: SessionCallOptions) {
    const { bus, hellos } = this.#options;
    const { to, subject } = flow;
    const end = performance.now() + options.timeoutMs;
    const left = (): number => Math.max(1, end - performance.now());
    for (let renewals = 0; renewals <= maxRenewals; renewals++) {
      if (!flow.ready(hellos.get(to.host))) await within(left(), subject, this.#open(flow, subject, left()));
      const sealed = flow.seal(call, stored);
      if (!sealed) continue;
      const { bytes, position } = sealed;
      const reply = await bus.request(subject, bytes, requestOf(call, { ...options, timeoutMs: left() }));
      const answer = flow.read(reply.payload, position);
      if (!("renew" in answer)) return answer;
      flow.renew(position, answer.renew);
    }
    throw fail("SESSION_REFUSED", to.host, "it keeps asking for another stream");
  }

  #flow(to: End): Flow {
    let places = this.#flows.get(to.host);
    if (!places) this.#flows.set(to.host, (places = new Map()));
    let flow = places.get(to.place);
    if (!flow) {
      const { identity, place, subjects } = this.#options;
      flow = new Flow(identity, { host: identity.host, place }, to, subjects.write("directed", to));
      places.set(to.place, flow);
    }
    return flow;
  }

  /** One conversation is opened at a time; those who come meanwhile wait for it, also longer than who began it. */
  async #open(flow: Flow, subject: string, timeoutMs: number): Promise<void> {
    flow.opening ??= this.#converse(flow, subject, Math.max(timeoutMs, openingMs)).finally(
      () => (flow.opening = undefined),
    );
    await flow.opening;
  }

  async #converse(flow: Flow, subject: string, timeoutMs: number): Promise<void> {
    const { bus, identity, hellos } = this.#options;
    const challenge = randomBytes(streamBytes);
    const open = encodeOpen({ from: flow.from, challenge, hello: identity.hello() });
    const { payload } = await bus.request(subject, open, { timeoutMs });
    flow.begin(hellos, payload, challenge);
  }

  async #store(payload: Uint8Array): Promise<StoredPayload> {
    const name = randomUUID();
    const digest = digestOf(payload);
    await this.#options.payloads.store(name, payload);
    return { name, bytes: payload.length, digest };
  }
}

/** A call that was sent and has no reply yet. A place of a host is one engine, which answers a call once. */
class SealedCall implements KnowingAsker {
  readonly begun = performance.now();
  readonly flow: Flow;
  readonly position: FramePosition;
  readonly call: RemoteCall;
  readonly options: SessionCallOptions;
  readonly asker: Asker<Uint8Array>;
  readonly #take: (waiting: SealedCall, reply: BusMessage) => Uint8Array | undefined;

  constructor(
    take: (waiting: SealedCall, reply: BusMessage) => Uint8Array | undefined,
    flow: Flow,
    position: FramePosition,
    call: RemoteCall,
    options: SessionCallOptions,
    asker: Asker<Uint8Array>,
  ) {
    this.#take = take;
    this.flow = flow;
    this.position = position;
    this.call = call;
    this.options = options;
    this.asker = asker;
  }

  knows({ payload }: BusMessage): boolean {
    return !answersAnother(payload, this.position);
  }

  answered(reply: BusMessage): void {
    let answer: Uint8Array | undefined;
    try {
      answer = this.#take(this, reply);
    } catch (error) {
      this.asker.failed(error);
      return;
    }
    if (answer) this.asker.answered(answer);
  }

  failed(error: unknown): void {
    this.asker.failed(error);
  }
}

function requestOf({ trace }: RemoteCall, options: SessionCallOptions): RequestOptions {
  return trace ? { ...options, headers: traceHeaders(trace) } : options;
}

/** A call waits for a conversation no longer than its own time, whoever began it. */
async function within(ms: number, subject: string, opening: Promise<void>): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(fail("RPC_TIMEOUT", subject, Math.round(ms))), ms);
  try {
    await Promise.race([opening, promise]);
  } finally {
    clearTimeout(timer);
  }
}

export function digestOf(payload: Uint8Array): Uint8Array {
  return createHash("sha256").update(payload).digest();
}

export function sameDigest(payload: Uint8Array, digest: Uint8Array): boolean {
  return asBuffer(digestOf(payload)).equals(digest);
}

const nothing = new Uint8Array();
