import type { Asker } from "../../asker.ts";
import type { BusMessage } from "../../bus.ts";
import { describe, fail, failFrom, isLatticeError } from "../../errors.ts";
import type { LatticeError } from "../../errors.ts";
import { FrameProblem } from "./frame-bytes.ts";
import type { Mac } from "./mac.ts";
import type { RemoteAnswer } from "./remote-call.ts";
import { encodeAnswer } from "./session-frames.ts";
import type { FramePosition } from "./session-frames.ts";

/** A call of another host that runs here: its answer goes back sealed, on the message that it came by. */
export class Answering implements Asker<Uint8Array> {
  readonly #answerOf: (payload: Uint8Array) => RemoteAnswer | Promise<RemoteAnswer>;
  readonly #unanswered: (detail: string) => void;
  readonly #message: BusMessage;
  /** A view of the message; streams are compared and written only. */
  readonly #position: FramePosition;
  readonly #mac: Mac;

  constructor(
    answerOf: (payload: Uint8Array) => RemoteAnswer | Promise<RemoteAnswer>,
    unanswered: (detail: string) => void,
    message: BusMessage,
    position: FramePosition,
    mac: Mac,
  ) {
    this.#answerOf = answerOf;
    this.#unanswered = unanswered;
    this.#message = message;
    this.#position = position;
    this.#mac = mac;
  }

  answered(payload: Uint8Array): void {
    try {
      const answer = this.#answerOf(payload);
      if (!(answer instanceof Promise)) return this.#respond(answer);
      answer.then((each) => this.#respond(each)).catch((error: unknown) => this.failed(error));
    } catch (error) {
      this.failed(error);
    }
  }

  /** Where even that cannot be sent (the server is away, and too much waits for it) the caller's time ends. */
  failed(error: unknown): void {
    try {
      this.#respond({ ok: false, error: asLatticeError(error) });
    } catch (problem) {
      this.#unanswered(describe(problem));
    }
  }

  #respond(answer: RemoteAnswer): void {
    this.#message.respond(encodeAnswer(this.#position, answer, this.#mac));
  }
}

function asLatticeError(error: unknown): LatticeError {
  if (error instanceof FrameProblem) return fail("REQUEST_INVALID", "a call of another host", error.message);
  return isLatticeError(error) ? error : failFrom(error, "VERB_FAILED", "call", describe(error));
}
