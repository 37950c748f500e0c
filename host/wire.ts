import type { MessagePort } from "node:worker_threads";
import {
  fail,
  failFrom,
  fromWire,
  isLatticeError,
  describe,
  localInvocation,
  remoteInvocation,
  Slots,
  type LatticeError,
  type VerifiedInvocation,
} from "../lattice/index.ts";
import type { Course } from "./course.ts";
import type { Peer } from "./dispatch.ts";
import type { Place } from "./engine-messages.ts";
import { ParcelPacker, ParcelReader, type WireItem, type WireParcel } from "./wire-parcel.ts";

/** Answers a call of another engine; `away`: by sending it to another host. Notes in `course` what becomes of it. */
export type AnswerCall = (invocation: VerifiedInvocation, away: boolean, course?: Course) => Promise<Uint8Array>;

interface Waiting {
  resolve(payload: Uint8Array): void;
  reject(error: LatticeError): void;
  readonly course: Course | undefined;
}

/**
 * The wire between two engines of one host: whole invocations over a message port. Both ends ask and
 * answer. What one turn of either brings crosses together, as soon as that turn has nothing more to
 * do; short payloads are copied beside each other. Everything pending fails when the other end is gone.
 */
export class Wire implements Peer {
  readonly #port: MessagePort;
  readonly #waiting = new Slots<Waiting>();
  readonly #packer = new ParcelPacker();
  readonly #other: Place;
  readonly #post = () => this.#flush();
  #closed = false;

  constructor(port: MessagePort, other: Place, answer: AnswerCall) {
    this.#port = port;
    this.#other = other;
    port.on("message", (parcel: WireParcel) => {
      const reader = new ParcelReader(parcel);
      for (const item of parcel.items) this.#receive(item, reader, answer);
    });
    port.on("close", () => this.close());
    port.unref();
  }

  get open(): boolean {
    return !this.#closed;
  }

  invoke(invocation: VerifiedInvocation, course?: Course): Promise<Uint8Array> {
    return this.#ask(invocation, false, course);
  }

  send(invocation: VerifiedInvocation): Promise<Uint8Array> {
    return this.#ask(invocation, true);
  }

  #ask(
    { origin, target, operation, payload, deadline, hops, trace, from }: VerifiedInvocation,
    away: boolean,
    course?: Course,
  ): Promise<Uint8Array> {
    if (this.#closed) return Promise.reject(fail("ENGINE_LOST", String(this.#other)));
    const budgetMs = deadline - performance.now();
    return new Promise((resolve, reject) => {
      const callId = this.#waiting.add({ resolve, reject, course });
      const packed = this.#packer.payload(payload);
      const timed = course !== undefined;
      this.#send(["invoke", callId, packed, operation, budgetMs, hops, away, timed, origin, target, trace, from]);
    });
  }

  /** What is packed still goes; fails all that waits. May be called twice. */
  close(): void {
    if (this.#closed) return;
    this.#flush();
    this.#closed = true;
    this.#port.close();
    for (const waiting of this.#waiting) waiting.reject(fail("ENGINE_LOST", String(this.#other)));
  }

  #receive(item: WireItem, reader: ParcelReader, answer: AnswerCall): void {
    switch (item[0]) {
      case "invoke": {
        const [, callId, packed, operation, budgetMs, hops, away, timed, origin, target, trace, from] = item;
        const payload = reader.payload(packed);
        const course: Course | undefined = timed ? {} : undefined;
        const deadline = performance.now() + budgetMs;
        // The other end is this same process: its dispatch proved the origin.
        const invocation =
          from === undefined
            ? localInvocation(origin, target, operation, payload, deadline, hops, trace)
            : remoteInvocation(from, origin, target, operation, payload, deadline, hops, trace);
        answer(invocation, away, course).then(
          (reply) => this.#send(["reply", callId, this.#packer.payload(reply), course]),
          (error: unknown) => this.#send(["failed", callId, asLatticeError(error, operation).toWire(), course]),
        );
        return;
      }
      case "reply": {
        const [, callId, packed, course] = item;
        const payload = reader.payload(packed);
        return this.#answered(callId, course)?.resolve(payload);
      }
      case "failed": {
        const [, callId, error, course] = item;
        return this.#answered(callId, course)?.reject(fromWire(error));
      }
      default:
        item satisfies never;
    }
  }

  #answered(callId: number, course: Course | undefined): Waiting | undefined {
    const waiting = this.#waiting.take(callId);
    if (waiting?.course) Object.assign(waiting.course, course);
    return waiting;
  }

  #send(item: WireItem): void {
    if (this.#closed) return;
    // Ticks come when there are no more callbacks of promises: all answers to one message go together.
    if (this.#packer.length === 0) process.nextTick(this.#post);
    this.#packer.add(item);
  }

  #flush(): void {
    if (!this.#closed && this.#packer.length > 0) this.#port.postMessage(this.#packer.take());
  }
}

export function asLatticeError(error: unknown, what: string): LatticeError {
  return isLatticeError(error) ? error : failFrom(error, "PROVIDER_FAILED", "the host", what, describe(error));
}
