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
import type { Place, WireMessage } from "./engine-messages.ts";

/** Answers a call of another engine; `away`: by sending it to another host. Notes in `course` what becomes of it. */
export type AnswerCall = (invocation: VerifiedInvocation, away: boolean, course?: Course) => Promise<Uint8Array>;

interface Waiting {
  resolve(payload: Uint8Array): void;
  reject(error: LatticeError): void;
  readonly course: Course | undefined;
}

/**
 * The wire between two engines of one host: whole invocations over a message port. Both ends ask and
 * answer. Payloads are copied once, by the port. Everything pending fails when the other end is gone.
 */
export class Wire implements Peer {
  readonly #port: MessagePort;
  readonly #waiting = new Slots<Waiting>();
  readonly #other: Place;
  #closed = false;

  constructor(port: MessagePort, other: Place, answer: AnswerCall) {
    this.#port = port;
    this.#other = other;
    port.on("message", (message: WireMessage) => this.#receive(message, answer));
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
      // The port clones whole buffers, and guest memory is one: send just these bytes.
      this.#send({
        type: "invoke",
        callId,
        origin,
        target,
        operation,
        payload: ownBytes(payload),
        budgetMs,
        hops,
        trace,
        from,
        away,
        ...(course ? { timed: true as const } : {}),
      });
    });
  }

  /** Fails all that waits. May be called twice. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#port.close();
    for (const waiting of this.#waiting) waiting.reject(fail("ENGINE_LOST", String(this.#other)));
  }

  #receive(message: WireMessage, answer: AnswerCall): void {
    if (message.type === "invoke") {
      const { callId, origin, target, operation, payload, budgetMs, hops, trace, from, away, timed } = message;
      const course: Course | undefined = timed && {};
      const deadline = performance.now() + budgetMs;
      // The other end is this same process: its dispatch proved the origin.
      const invocation =
        from === undefined
          ? localInvocation(origin, target, operation, payload, deadline, hops, trace)
          : remoteInvocation(from, origin, target, operation, payload, deadline, hops, trace);
      const told = course && { course };
      answer(invocation, away, course).then(
        (reply) => this.#send({ type: "reply", callId, payload: ownBytes(reply), ...told }),
        (error: unknown) =>
          this.#send({ type: "failed", callId, error: asLatticeError(error, operation).toWire(), ...told }),
      );
      return;
    }
    const waiting = this.#waiting.take(message.callId);
    if (waiting?.course) Object.assign(waiting.course, message.course);
    switch (message.type) {
      case "reply":
        return waiting?.resolve(message.payload);
      case "failed":
        return waiting?.reject(fromWire(message.error));
      default:
        message satisfies never;
    }
  }

  #send(message: WireMessage): void {
    if (!this.#closed) this.#port.postMessage(message);
  }
}

function ownBytes(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice();
}

export function asLatticeError(error: unknown, what: string): LatticeError {
  return isLatticeError(error) ? error : failFrom(error, "PROVIDER_FAILED", "the host", what, describe(error));
}
