import { describe, fail, isLatticeError, type Kind, LatticeError } from "../lattice/index.ts";
import { CallSites } from "./call-sites.ts";
import { checkRange, type GuestFrame, type Pending, readText, sentinel, textBytes } from "./guest-frame.ts";
import type { CallSite } from "./guest-host.ts";
import { copyReply } from "./reply-slab.ts";

/** Longest binding, namespace and operation of a host call together, in bytes. */
const nameBytes = 4_096;

/** Work of imports in nanoseconds, for the time account of the guest. */
const cost = { request: 60, response: 80, hostCall: 300, refusal: 4_000, read: 40, byteShift: 3 } as const;

/** Kinds of a failed host call that the failure of the guest keeps. */
const passedOn: ReadonlySet<Kind> = new Set<Kind>(["refused", "unavailable", "provider"]);

const nothing: Uint8Array = new Uint8Array(0);
const unasked: Promise<Uint8Array> = Promise.resolve(nothing);
const encoder = new TextEncoder();

/** What one call leaves behind when the guest returns. */
export type Outcome = Uint8Array | LatticeError;

/**
 * The waPC conversation of one instance: the request it may fetch, the answer it gives, and the
 * reply or error of its last host call. Everything is cleared between calls, so nothing leaks.
 *
 * A guest that answers twice overwrites its first answer; an error wins over a response.
 * Source: waPC and actors reference, sections 2.1 and 2.3.
 */
export class WapcExchange {
  readonly #frame: GuestFrame;
  readonly #sites: CallSites;
  readonly #payloadBytes: number;
  /** The encoded operation of the call being answered. */
  #operation = nothing;
  #payload = nothing;
  #response: Uint8Array | undefined;
  #guestError: string | undefined;
  #tooLarge = 0;
  #hostResponse = nothing;
  #hostError = nothing;
  /** What `#hostError` says, as it was thrown. */
  #hostRefusal: unknown;
  /** One object for all suspensions, since an instance has one at a time. */
  readonly #pending: { -readonly [K in keyof Pending<Uint8Array>]: Pending<Uint8Array>[K] };

  constructor(frame: GuestFrame, sites: CallSites, payloadBytes: number) {
    this.#frame = frame;
    this.#sites = sites;
    this.#payloadBytes = payloadBytes;
    this.#pending = {
      promise: unasked,
      answered: (reply) => this.#accept(reply),
      refused: (error) => this.#refuse(error),
    };
  }

  /** A new call begins; whatever the one before left is forgotten. */
  begin(operation: Uint8Array, payload: Uint8Array): void {
    this.#operation = operation;
    this.#payload = payload;
    this.#response = undefined;
    this.#guestError = undefined;
    this.#tooLarge = 0;
    this.#hostResponse = nothing;
    this.#hostError = nothing;
    this.#hostRefusal = undefined;
  }

  /** The guest has returned `rc`: its reply, or why there is none. `actor` and `operation` are for the error. */
  outcome(rc: number, actor: string, operation: string): Outcome {
    if (rc === 1 && this.#guestError === undefined && this.#tooLarge === 0) return this.#response ?? nothing;
    if (this.#guestError !== undefined) return this.#failure(actor, operation, this.#guestError);
    if (this.#tooLarge > 0) {
      return fail("PAYLOAD_TOO_LARGE", `the reply of ${actor} to ${operation}`, this.#tooLarge, this.#payloadBytes);
    }
    const host = this.#hostError.length > 0 ? `; its last host call failed: ${this.hostErrorText}` : "";
    return fail("GUEST_FAILED", actor, operation, `it returned ${rc} without an error text${host}`);
  }

  /**
   * A guest that passes on the failure of its last host call keeps that failure's code, so that its
   * caller sees what really stands in the way: a missing link, a provider that is down.
   */
  #failure(actor: string, operation: string, text: string): LatticeError {
    const cause = this.#hostRefusal;
    if (isLatticeError(cause) && passedOn.has(cause.kind) && text.includes(cause.message)) {
      return new LatticeError(cause.code, `${actor} failed ${operation}: ${text}`, cause);
    }
    return fail("GUEST_FAILED", actor, operation, text);
  }

  /** The error text that the guest has given, also when it trapped afterwards. */
  get guestError(): string | undefined {
    return this.#guestError;
  }

  /** Whether the guest has answered this call. */
  get answered(): boolean {
    return this.#response !== undefined && this.#guestError === undefined;
  }

  get hostErrorText(): string {
    return new TextDecoder().decode(this.#hostError);
  }

  /** Lets go of everything; the instance has ended. */
  clear(): void {
    this.begin(nothing, nothing);
    this.#pending.promise = unasked;
  }

  /** The import called `name`, or undefined when waPC has none of that name. */
  import(name: string): Function | undefined {
    switch (name) {
      case "__guest_request":
        return (operationAt: number, payloadAt: number) => this.#request(operationAt >>> 0, payloadAt >>> 0);
      case "__guest_response":
        return (at: number, length: number) => this.#respond(at >>> 0, length >>> 0);
      case "__guest_error":
        return (at: number, length: number) => {
          this.#guestError = readText(this.#frame, at >>> 0, length >>> 0, "an error text");
        };
      case "__host_call":
        return (a: number, b: number, c: number, d: number, e?: number, f?: number, g?: number, h?: number) =>
          h !== undefined
            ? this.#hostCall(a >>> 0, b >>> 0, c >>> 0, d >>> 0, e! >>> 0, f! >>> 0, g! >>> 0, h >>> 0)
            : this.#olderHostCall(a >>> 0, b >>> 0, c >>> 0, d >>> 0, e, f);
      case "__host_response_len":
        return () => this.#hostResponse.length;
      case "__host_response":
        return (at: number) => this.#write(this.#hostResponse, at >>> 0, "the host response");
      case "__host_error_len":
        return () => this.#hostError.length;
      case "__host_error":
        return (at: number) => this.#write(this.#hostError, at >>> 0, "the host error");
      case "__console_log":
        return (at: number, length: number) => {
          const line = readText(this.#frame, at >>> 0, length >>> 0, "a log line");
          this.#frame.charge(2_000);
          const { ended, host, call } = this.#frame;
          if (!ended) host.log("console", line, call);
        };
      default:
        return undefined;
    }
  }

  #request(operationAt: number, payloadAt: number): void {
    const memory = this.#frame.memory();
    const operation = this.#operation;
    const payload = this.#payload;
    if (operationAt + operation.length > memory.length || payloadAt + payload.length > memory.length) {
      throw this.#frame.fault("it asked for the request to be written outside its memory");
    }
    // Names are short: a loop takes half the time of the call that copies.
    for (let i = 0; i < operation.length; i++) memory[operationAt + i] = operation[i]!;
    memory.set(payload, payloadAt);
    this.#frame.charge(cost.request + (payload.length >> cost.byteShift));
  }

  #respond(at: number, length: number): void {
    const memory = this.#frame.memory();
    checkRange(this.#frame, memory, at, length, "its response");
    this.#tooLarge = length > this.#payloadBytes ? length : 0;
    if (this.#tooLarge > 0) return;
    this.#frame.charge(cost.response + (length >>> cost.byteShift));
    // A second, long answer goes where the first one lies, so that answering in a loop fills no heap.
    const first = this.#response;
    if (first && length > 0 && first.length >= length) {
      first.set(memory.subarray(at, at + length));
      this.#response = first.subarray(0, length);
    } else {
      this.#response = copyReply(memory, this.#frame, at, length);
    }
  }

  #olderHostCall(a: number, b: number, c: number, d: number, e?: number, f?: number): number {
    // Six parameters: namespace, operation, payload. Four: decorated operation, payload.
    if (f !== undefined) return this.#hostCall(a, 0, a, b, c, d, e! >>> 0, f >>> 0);
    const memory = this.#frame.memory();
    checkRange(this.#frame, memory, a, b, "an operation");
    if (b > nameBytes) return this.#refuseNames(b);
    return this.#ask(this.#sites.findDecorated(memory, a, b), memory, c, d);
  }

  #hostCall(
    b: number,
    bLen: number,
    n: number,
    nLen: number,
    o: number,
    oLen: number,
    p: number,
    pLen: number,
  ): number {
    const memory = this.#frame.memory();
    const end = memory.length;
    if (b + bLen > end || n + nLen > end || o + oLen > end) {
      throw this.#frame.fault("the names of a host call lie outside its memory");
    }
    if (bLen + nLen + oLen > nameBytes) return this.#refuseNames(bLen + nLen + oLen);
    return this.#ask(this.#sites.find(memory, b, bLen, n, nLen, o, oLen), memory, p, pLen);
  }

  #ask(site: CallSite, memory: Uint8Array, at: number, length: number): number {
    const frame = this.#frame;
    if (frame.ended) return sentinel.kill;
    checkRange(frame, memory, at, length, "the payload of a host call");
    frame.charge(cost.hostCall);
    this.#hostResponse = nothing;
    this.#hostError = nothing;
    this.#hostRefusal = undefined;
    if (length > this.#payloadBytes) {
      return this.#refuse(fail("PAYLOAD_TOO_LARGE", `the payload of ${site.operation}`, length, this.#payloadBytes));
    }
    let answer: Uint8Array | Promise<Uint8Array> | undefined;
    try {
      answer = frame.host.hostCall(site, new Uint8Array(frame.buffer, at, length), frame.call!, frame.waiter);
    } catch (error) {
      return this.#refuse(error);
    }
    // The host may have discarded this very guest meanwhile.
    if (frame.ended) return sentinel.kill;
    if (answer instanceof Uint8Array) return this.#accept(answer);
    this.#pending.promise = answer;
    return frame.pend(this.#pending);
  }

  #accept(reply: Uint8Array): number {
    if (!(reply instanceof Uint8Array)) return this.#refuse(new TypeError("the host answered no bytes"));
    if (reply.length > this.#payloadBytes) {
      return this.#refuse(fail("PAYLOAD_TOO_LARGE", "the host's reply", reply.length, this.#payloadBytes));
    }
    this.#hostResponse = reply;
    return 1;
  }

  #refuse(error: unknown): number {
    this.#hostRefusal = error;
    this.#frame.charge(cost.refusal);
    const text = encoder.encode(wordsOf(error));
    this.#hostError = text.length > textBytes ? text.subarray(0, textBytes) : text;
    return 0;
  }

  #refuseNames(length: number): number {
    return this.#refuse(fail("PAYLOAD_TOO_LARGE", "the names of a host call", length, nameBytes));
  }

  #write(bytes: Uint8Array, at: number, what: string): void {
    if (bytes.length === 0) return;
    const memory = this.#frame.memory();
    checkRange(this.#frame, memory, at, bytes.length, what);
    memory.set(bytes, at);
    this.#frame.charge(cost.read + (bytes.length >> cost.byteShift));
  }
}

/** Providers may throw anything, even what has no text. */
function wordsOf(error: unknown): string {
  try {
    return describe(error);
  } catch {
    return "the host call failed";
  }
}
