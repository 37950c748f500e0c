import { randomUUID } from "node:crypto";
import type { Asker } from "../../asker.ts";
import type { BusMessage } from "../../bus.ts";
import { fail, isLatticeError } from "../../errors.ts";
import { inlineLimitBytes } from "../large-payloads.ts";
import type { LargePayloads } from "../large-payloads.ts";
import { Caller, keepNewest } from "./caller.ts";
import { Answering } from "./answering.ts";
import { asBuffer, FrameProblem } from "./frame-bytes.ts";
import type { AcceptedHello } from "./hello.ts";
import type { Hellos } from "./hellos.ts";
import type { End } from "./mac.ts";
import type { RemoteAnswer, RemoteCall, StoredPayload } from "./remote-call.ts";
import { digestOf, sameDigest } from "./session-caller.ts";
import { decodeCallHead, decodeOpen, encodeRenew, encodeStranger, encodeWelcome, frameType } from "./session-frames.ts";
import type { CallHead } from "./session-frames.ts";
import type { SessionIdentity } from "./session-identity.ts";

declare const proven: unique symbol;

/** A call that another host of ours sent, proven by its tag; its payload is inside. Only `SessionReceiver` makes one. */
export type ProvenCall = RemoteCall & { readonly from: End; readonly [proven]: true };

/** Why a message to a place was not run, or, when it was, not answered: for counters. */
export type SessionRefusal =
  | "not a frame"
  | "malformed"
  | "hello refused"
  | "stranger"
  | "tag"
  | "replay"
  | "stream"
  | "unanswered";

export interface SessionReceiverOptions {
  readonly identity: SessionIdentity;
  readonly hellos: Hellos;
  /** The place whose subject is heard. */
  readonly place: string;
  readonly payloads: LargePayloads;
  /** Largest answer that is sent inside a message: `bus.maxPayloadBytes` of now. */
  readonly maxPayloadBytes: () => number;
  /** Runs a call: `asker` is told, at once or later. What it throws travels back as the error of the call. */
  readonly handle: (call: ProvenCall, asker: Asker<Uint8Array>) => void;
  /** Told of every message that was not run or not answered. */
  readonly onRefused?: (why: SessionRefusal, detail: string) => void;
}

/** Room for tag, position and kind around an answer. */
const frameOverhead = 64;

/**
 * Answers calls that other hosts of ours send to one place of this host. Each runs at most once: its
 * stream was made up here, and its number is accepted once. A frame that does not hold is answered by
 * nothing that a third party could use.
 */
export class SessionReceiver {
  readonly #options: SessionReceiverOptions;
  /** By host and place, those of the host that came first longest ago in front. */
  readonly #callers = new Map<string, Map<string, Caller>>();
  readonly #inMessage = (payload: Uint8Array) => this.#answerOf(payload);
  readonly #unanswered = (detail: string) => this.#refuse("unanswered", detail);

  constructor(options: SessionReceiverOptions) {
    this.#options = options;
  }

  /** True when the message is a frame of a session; then it is answered here. Invocations of 0.x are not. */
  receive(message: BusMessage): boolean {
    const type = frameType(message.payload);
    if (type === undefined) return false;
    try {
      if (type === "call") this.#call(message);
      else if (type === "open") this.#open(message);
      else this.#refuse("not a frame", type);
    } catch (error) {
      if (!(error instanceof FrameProblem)) throw error;
      this.#refuse("malformed", error.message);
    }
    return true;
  }

  /** Forgets the streams of a host that is gone. */
  forget(host: string): void {
    this.#callers.delete(host);
  }

  #open(message: BusMessage): void {
    const { hellos, identity } = this.#options;
    const { from, challenge, hello } = decodeOpen(message.payload);
    let peer: AcceptedHello;
    try {
      peer = hellos.accept(hello);
    } catch (error) {
      if (!isLatticeError(error)) throw error;
      this.#refuse("hello refused", error.message);
      message.respond(encodeStranger());
      return;
    }
    if (peer.host !== from.host) throw new FrameProblem("its hello is of another host");
    const caller = this.#caller(from, peer);
    const stream = caller.offer();
    message.respond(encodeWelcome({ challenge, stream, hello: identity.hello() }, caller.answers));
  }

  #call(message: BusMessage): void {
    const head = decodeCallHead(message.payload);
    const caller = this.#known(head.from);
    if (!caller) {
      this.#refuse("stranger", head.from.host);
      message.respond(encodeStranger());
      return;
    }
    if (!caller.calls.holds(asBuffer(message.payload))) {
      this.#refuse("tag", head.from.host);
      message.respond(encodeStranger());
      return;
    }
    const window = caller.window(head.stream);
    if (!window) {
      this.#refuse("stream", head.from.host);
      message.respond(encodeRenew(head, caller.renewal(), caller.answers));
      return;
    }
    // An answer would reach whoever waits for the first one, so there is none.
    if (!window.accept(head.sequence)) return this.#refuse("replay", head.from.host);
    this.#run(message, head, caller);
  }

  #run(message: BusMessage, head: CallHead, { answers }: Caller): void {
    const answering = new Answering(this.#inMessage, this.#unanswered, message, head, answers);
    try {
      const call = head.call();
      const { stored } = call;
      const proven = provenBy(head.from, call);
      if (stored) this.#fetched(proven, stored, answering).catch((error: unknown) => answering.failed(error));
      else this.#options.handle(proven, answering);
    } catch (error) {
      answering.failed(error);
    }
  }

  async #fetched(call: ProvenCall, { name, bytes, digest }: StoredPayload, asker: Asker<Uint8Array>): Promise<void> {
    const payload = await this.#options.payloads.take(name, bytes);
    if (!sameDigest(payload, digest)) throw fail("BLOB_CORRUPT", name);
    this.#options.handle(provenBy(call.from, { ...call, payload }), asker);
  }

  /** The answer as it is sent: inside the message, or in the object store. */
  #answerOf(payload: Uint8Array): RemoteAnswer | Promise<RemoteAnswer> {
    if (payload.length <= inlineLimitBytes && payload.length + frameOverhead <= this.#options.maxPayloadBytes())
      return { ok: true, payload, stored: undefined };
    return this.#store(payload);
  }

  async #store(answer: Uint8Array): Promise<RemoteAnswer> {
    const name = `${randomUUID()}-r`;
    // Whoever answered may use its bytes again once this turn is over.
    const payload = answer.slice();
    const digest = digestOf(payload);
    await this.#options.payloads.store(name, payload);
    return { ok: true, payload: nothing, stored: { name, bytes: payload.length, digest } };
  }

  /** Who calls, when its hello is known and it is still the same process. */
  #known(from: End): Caller | undefined {
    const peer = this.#options.hellos.get(from.host);
    return peer && this.#caller(from, peer);
  }

  #caller(from: End, peer: AcceptedHello): Caller {
    let places = this.#callers.get(from.host);
    const known = places?.get(from.place);
    if (known?.sessionKey === peer.sessionKey) return known;
    const { identity, place } = this.#options;
    const caller = new Caller(identity, from, peer, { host: identity.host, place });
    if (!places) this.#callers.set(from.host, (places = new Map()));
    keepNewest(places.set(from.place, caller), maxPlaces);
    keepNewest(this.#callers, maxHosts);
    return caller;
  }

  #refuse(why: SessionRefusal, detail: string): void {
    this.#options.onRefused?.(why, detail);
  }
}

/** Field by field: what copies all the others of an object takes as long as reading the frame. */
function provenBy(from: End, call: RemoteCall): ProvenCall {
  const { origin, target, operation, payload, budgetMs, hops, trace } = call;
  return { from, origin, target, operation, payload, budgetMs, hops, trace } as ProvenCall;
}

/** Hosts that are remembered, and places of one. */
const maxHosts = 4_096;
const maxPlaces = 512;

const nothing = new Uint8Array();
