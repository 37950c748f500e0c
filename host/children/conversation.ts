import type { Duplex } from "node:stream";
import { fail, fromWire, type LatticeError } from "../../lattice/index.ts";
import { Channel } from "./channel.ts";
import { isFromChild } from "./from-child.ts";
import type { FromChild, Request, ToChild } from "./messages.ts";

/** What an answer brings: the result, and the bytes beside it. */
export interface ChildAnswer {
  readonly result: unknown;
  readonly payload: Uint8Array;
}

/** What the other end says without being asked. */
export type Unasked = Exclude<FromChild, { type: "done" | "failed" }>;

export interface ConversationHooks {
  onMessage(message: Unasked, payload: Uint8Array): void;
  /** It cannot be spoken to any more: it sent what is no message, or its end of the channel is closed. */
  onNonsense(reason: string): void;
  onClosed(reason: string): void;
}

interface Waiting {
  readonly resolve: (answer: ChildAnswer) => void;
  readonly reject: (error: Error) => void;
  /** Of `performance.now()`. */
  readonly deadline: number;
  readonly ms: number;
}

const headBytes = 1024 * 1024;
/** What an other end that reads nothing may make this process keep. */
const maxWaitingBytes = 32 * 1024 * 1024;
const maxWaiting = 100_000;

/** The host's end of the talk with a provider that runs elsewhere: what was asked waits here for its answer. */
export class Conversation {
  /** What errors call the other end. */
  name: string;
  readonly #channel: Channel;
  readonly #hooks: ConversationHooks;
  readonly #waiting = new Map<number, Waiting>();
  readonly #sweep: NodeJS.Timeout;
  #gone: LatticeError | undefined;
  #nextId = 1;

  /** Frames with more than `payloadBytes` of payload are nonsense. */
  constructor(name: string, stream: Duplex, payloadBytes: number, hooks: ConversationHooks) {
    this.name = name;
    this.#hooks = hooks;
    this.#channel = new Channel(stream, payloadBytes + headBytes, {
      onMessage: (message, payload) => this.#receive(message, payload),
      onEnd: (reason) => hooks.onClosed(reason),
    });
    this.#sweep = setInterval(() => this.#forgetLate(), 1_000).unref();
  }

  /** Why nothing can be asked any more. */
  get gone(): LatticeError | undefined {
    return this.#gone;
  }

  /** The id that the next `ask` gets. */
  get nextId(): number {
    return this.#nextId;
  }

  /** The other end takes less than it is sent: nothing more should be sent that can be refused. */
  get full(): boolean {
    return this.#channel.waitingBytes > maxWaitingBytes;
  }

  /**
   * Asks and waits, `ms` at most.
   * @throws LatticeError PROVIDER_GONE, QUEUE_FULL, DEADLINE_EXCEEDED; what the provider threw.
   */
  ask(request: Request, payload: Uint8Array | undefined, ms: number): Promise<ChildAnswer> {
    if (this.#gone) return Promise.reject(this.#gone);
    if (this.#waiting.size >= maxWaiting || this.full)
      return Promise.reject(fail("QUEUE_FULL", this.name, this.#waiting.size));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject, deadline: performance.now() + ms, ms });
      this.#channel.send({ ...request, id }, payload);
    });
  }

  tell(message: Exclude<ToChild, Request>, payload?: Uint8Array): void {
    this.#channel.send(message, payload);
  }

  /** Fails all that waits and whatever is asked later. Answers the error the first time. */
  end(reason: string): LatticeError | undefined {
    if (this.#gone) return undefined;
    this.#gone = fail("PROVIDER_GONE", this.name, reason);
    clearInterval(this.#sweep);
    this.#channel.close();
    for (const { reject } of this.#waiting.values()) reject(this.#gone);
    this.#waiting.clear();
    return this.#gone;
  }

  #receive(message: unknown, payload: Uint8Array): void {
    if (!isFromChild(message)) return this.#hooks.onNonsense("it sent a message of no known form");
    if (message.type !== "done" && message.type !== "failed") return this.#hooks.onMessage(message, payload);
    const waiting = this.#waiting.get(message.id);
    if (!waiting) return;
    this.#waiting.delete(message.id);
    if (message.type === "done") return waiting.resolve({ result: message.result, payload });
    const { error } = message;
    waiting.reject("wire" in error ? fromWire(error.wire) : new Error(error.text));
  }

  /** Who asked has given up at the deadline; a provider that hangs must not make this process remember for ever. */
  #forgetLate(): void {
    const now = performance.now();
    for (const [id, { deadline, ms, reject }] of this.#waiting) {
      if (deadline > now) continue;
      this.#waiting.delete(id);
      reject(fail("DEADLINE_EXCEEDED", this.name, Math.round(ms)));
    }
  }
}
