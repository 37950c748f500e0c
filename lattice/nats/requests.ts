import type { BusHeaders, BusMessage, GatherOptions } from "../bus.ts";
import { fail } from "../errors.ts";
import type { LatticeError } from "../errors.ts";
import { EndTimer } from "./end-timer.ts";
import type { Ending } from "./end-timer.ts";
import { nuid } from "../nuid.ts";
import { Slots } from "../slots.ts";
import { NatsMessage, tailNumber } from "./message.ts";
import type { Responder } from "./message.ts";
import type { RawMessage } from "./parser.ts";
import type { Interest } from "./session.ts";

const noResponders = 503;

/** How a request goes out. `wanted` turns false when nobody waits for its answer any more. */
export type SendRequest = (
  subject: string,
  payload: Uint8Array,
  reply: string,
  headers: BusHeaders | undefined,
  wanted: () => boolean,
) => void;

/**
 * Everyone who waits for a reply, behind one inbox: the server knows one subscription however many
 * requests are under way, and a reply finds its request by the number that its subject ends with.
 */
export class Requests implements Interest {
  readonly sid: number;
  readonly pattern: string;
  readonly queue = undefined;
  readonly overlaps = true;
  readonly #prefix: string;
  readonly #responder: Responder;
  readonly #waits = new Slots<Wait>();
  readonly #timer = new EndTimer(this.#waits);
  #idle: (() => void)[] = [];

  constructor(sid: number, inboxPrefix: string, responder: Responder) {
    this.sid = sid;
    this.#prefix = `${inboxPrefix}.${nuid()}.`;
    this.pattern = `${this.#prefix}*`;
    this.#responder = responder;
  }

  /** One reply. @throws LatticeError NO_RESPONDERS, RPC_TIMEOUT, CALLER_GONE, and those of `send`. */
  one(subject: string, payload: Uint8Array, options: GatherOptions, send: SendRequest): Promise<NatsMessage> {
    return new Promise((resolve, reject) => {
      const { timeoutMs } = options;
      this.#start(subject, payload, options, send, {
        subject,
        reply: resolve,
        nobody: () => reject(fail("NO_RESPONDERS", subject)),
        late: () => reject(fail("RPC_TIMEOUT", subject, timeoutMs)),
        fail: reject,
      });
    });
  }

  /** Replies until enough came or the time is over. @throws LatticeError CALLER_GONE, and those of `send`. */
  many(subject: string, payload: Uint8Array, options: GatherOptions, send: SendRequest): Promise<BusMessage[]> {
    const { max = Infinity } = options;
    return new Promise((resolve, reject) => {
      const replies: BusMessage[] = [];
      this.#start(subject, payload, options, send, {
        subject,
        reply: (message) => {
          replies.push(message);
          if (replies.length < max) return false;
          resolve(replies);
          return true;
        },
        nobody: () => resolve(replies),
        late: () => resolve(replies),
        fail: reject,
      });
    });
  }

  take(raw: RawMessage): void {
    const number = tailNumber(raw);
    const wait = this.#waits.get(number);
    if (wait === undefined) return;
    const message = new NatsMessage(raw, this.#responder);
    if (message.payload.length === 0 && message.status === noResponders) {
      this.#end(wait);
      wait.handler.nobody();
    } else if (wait.handler.reply(message) !== false) this.#end(wait);
  }

  /** Fails those who wait, all or those of one subject. */
  failAll(problem: (subject: string) => LatticeError, subject?: string): void {
    for (const wait of this.#waits) {
      if (subject !== undefined && wait.handler.subject !== subject) continue;
      this.#end(wait);
      wait.handler.fail(problem(wait.handler.subject));
    }
  }

  /** Resolves when nobody waits. */
  async settled(): Promise<void> {
    if (this.#waits.size > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #start(
    subject: string,
    payload: Uint8Array,
    { timeoutMs, headers, signal }: GatherOptions,
    send: SendRequest,
    handler: Handler,
  ): void {
    if (!(timeoutMs >= 1)) throw fail("OPTION_OUT_OF_RANGE", "timeoutMs", timeoutMs, "at least 1");
    if (signal?.aborted) throw fail("CALLER_GONE", subject);
    const now = performance.now();
    const wait: Wait = {
      number: 0,
      handler,
      deadline: now + timeoutMs,
      late: () => {
        this.#end(wait);
        handler.late();
      },
      signal,
      gone:
        signal &&
        (() => {
          this.#end(wait);
          handler.fail(fail("CALLER_GONE", subject));
        }),
    };
    const number = this.#waits.add(wait);
    wait.number = number;
    try {
      send(subject, payload, this.#prefix + number, headers, () => this.#waits.get(number) !== undefined);
    } catch (error) {
      this.#waits.take(number);
      throw error;
    }
    if (signal && wait.gone) signal.addEventListener("abort", wait.gone);
    this.#timer.begun(wait.deadline, now);
  }

  #end({ number, signal, gone }: Wait): void {
    this.#waits.take(number);
    if (signal && gone) signal.removeEventListener("abort", gone);
    if (this.#waits.size > 0) return;
    this.#timer.idle();
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}

interface Handler {
  readonly subject: string;
  /** False: it waits for more. */
  readonly reply: (message: NatsMessage) => boolean | void;
  readonly nobody: () => void;
  readonly late: () => void;
  readonly fail: (error: LatticeError) => void;
}

interface Wait extends Ending {
  number: number;
  readonly handler: Handler;
  readonly signal: AbortSignal | undefined;
  readonly gone: (() => void) | undefined;
}
