import { type Asker, promised } from "../asker.ts";
import type { BusHeaders, BusMessage, GatherOptions, KnowingAsker } from "../bus.ts";
import { fail } from "../errors.ts";
import type { LatticeError } from "../errors.ts";
import type { Wanted } from "./backlog.ts";
import { EndTimer } from "./end-timer.ts";
import type { Ending } from "./end-timer.ts";
import { nuid } from "../nuid.ts";
import { Slots } from "../slots.ts";
import { NatsMessage, tailNumber } from "./message.ts";
import type { Responder } from "./message.ts";
import type { RawMessage } from "./parser.ts";
import type { Interest } from "./session.ts";

const noResponders = 503;

/** How a request goes out; it is not sent when `wait` is over before a server is there. */
export type SendRequest = (
  subject: string,
  payload: Uint8Array,
  reply: string,
  headers: BusHeaders | undefined,
  wait: Wanted,
) => void;

/**
 * Everyone who waits for a reply, behind one inbox: the server knows one subscription however many
 * requests are under way, and a reply finds its request by the number that its subject ends with. It
 * is another number for each request, unless whoever asks knows its reply.
 */
export class Requests implements Interest {
  readonly sid: number;
  readonly pattern: string;
  readonly queue = undefined;
  readonly overlaps = true;
  readonly #prefix: string;
  readonly #responder: RequestsOwner;
  readonly #waits = new Slots<Wait>();
  readonly #timer = new EndTimer(this.#waits);
  readonly #over = (wait: Wait) => this.#end(wait);
  #idle: (() => void)[] = [];

  constructor(sid: number, inboxPrefix: string, responder: RequestsOwner) {
    this.sid = sid;
    this.#prefix = `${inboxPrefix}.${nuid()}.`;
    this.pattern = `${this.#prefix}*`;
    this.#responder = responder;
  }

  /** One reply. @throws LatticeError NO_RESPONDERS, RPC_TIMEOUT, CALLER_GONE, and those of `send`. */
  one(subject: string, payload: Uint8Array, options: GatherOptions, send: SendRequest): Promise<NatsMessage> {
    return promised((asker) => this.ask(subject, payload, options, send, asker));
  }

  /** The same without a promise. @throws LatticeError CALLER_GONE, and those of `send`; nobody is told then. */
  ask(
    subject: string,
    payload: Uint8Array,
    options: GatherOptions,
    send: SendRequest,
    asker: Asker<NatsMessage> | KnowingAsker,
  ): void {
    const wait =
      "knows" in asker
        ? new KnownReply(subject, options, this.#over, asker)
        : new OneReply(subject, options, this.#over, asker);
    this.#start(payload, options, send, wait);
  }

  /** Replies until enough came or the time is over. @throws LatticeError CALLER_GONE, and those of `send`. */
  many(subject: string, payload: Uint8Array, options: GatherOptions, send: SendRequest): Promise<BusMessage[]> {
    return promised((asker) =>
      this.#start(payload, options, send, new ManyReplies(subject, options, this.#over, asker)),
    );
  }

  take(raw: RawMessage): void {
    const wait = this.#waits.get(tailNumber(raw));
    if (wait === undefined) return;
    const message = new NatsMessage(raw, this.#responder);
    try {
      if (message.payload.length === 0 && message.status === noResponders) {
        this.#end(wait);
        wait.nobody();
      } else wait.reply(message);
    } catch (error) {
      this.#responder.handlerFailed(error, wait.subject);
    }
  }

  /** Fails those who wait, all or those of one subject. */
  failAll(problem: (subject: string) => LatticeError, subject?: string): void {
    for (const wait of this.#waits) {
      if (subject !== undefined && wait.subject !== subject) continue;
      this.#end(wait);
      wait.failed(problem(wait.subject));
    }
  }

  /** Resolves when nobody waits. */
  async settled(): Promise<void> {
    if (this.#waits.size > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #start(payload: Uint8Array, { timeoutMs, headers, signal }: GatherOptions, send: SendRequest, wait: Wait): void {
    const { subject } = wait;
    if (!(timeoutMs >= 1)) throw fail("OPTION_OUT_OF_RANGE", "timeoutMs", timeoutMs, "at least 1");
    if (signal?.aborted) throw fail("CALLER_GONE", subject);
    const now = performance.now();
    wait.deadline = now + timeoutMs;
    wait.number = this.#waits.add(wait, wait.knows);
    try {
      send(subject, payload, this.#prefix + wait.number, headers, wait);
    } catch (error) {
      this.#waits.take(wait.number);
      throw error;
    }
    if (signal) wait.follow(signal);
    this.#timer.begun(wait.deadline, now);
  }

  #end(wait: Wait): void {
    this.#waits.take(wait.number, wait.final);
    wait.ended();
    if (this.#waits.size > 0) return;
    this.#timer.idle();
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}

/** How replies are answered in turn, and who hears that an asker threw. */
export interface RequestsOwner extends Responder {
  handlerFailed(error: unknown, subject: string): void;
}

/** One request under way. */
abstract class Wait implements Ending, Wanted {
  number = 0;
  deadline = 0;
  wanted = true;
  /** Its asker tells its reply from others. */
  readonly knows: boolean = false;
  /** It has had its reply. */
  final = false;
  readonly subject: string;
  readonly timeoutMs: number;
  readonly over: (wait: Wait) => void;
  #unfollow: (() => void) | undefined;

  constructor(subject: string, { timeoutMs }: GatherOptions, over: (wait: Wait) => void) {
    this.subject = subject;
    this.timeoutMs = timeoutMs;
    this.over = over;
  }

  /** Nobody listens; it has ended. */
  abstract nobody(): void;
  /** It has ended. */
  abstract failed(error: LatticeError): void;
  /** Ends it when that is enough. */
  abstract reply(message: NatsMessage): void;
  abstract late(): void;

  /** Fails when the signal is aborted. */
  follow(signal: AbortSignal): void {
    const gone = () => {
      this.over(this);
      this.failed(fail("CALLER_GONE", this.subject));
    };
    signal.addEventListener("abort", gone);
    this.#unfollow = () => signal.removeEventListener("abort", gone);
  }

  ended(): void {
    this.wanted = false;
    this.#unfollow?.();
  }
}

class OneReply extends Wait {
  readonly #asker: Asker<NatsMessage>;

  constructor(subject: string, options: GatherOptions, over: (wait: Wait) => void, asker: Asker<NatsMessage>) {
    super(subject, options, over);
    this.#asker = asker;
  }

  nobody(): void {
    this.#asker.failed(fail("NO_RESPONDERS", this.subject));
  }

  failed(error: LatticeError): void {
    this.#asker.failed(error);
  }

  reply(message: NatsMessage): void {
    this.over(this);
    this.#asker.answered(message);
  }

  late(): void {
    this.over(this);
    this.#asker.failed(fail("RPC_TIMEOUT", this.subject, this.timeoutMs));
  }
}

class KnownReply extends OneReply {
  override readonly knows = true;
  readonly #knowing: KnowingAsker;

  constructor(subject: string, options: GatherOptions, over: (wait: Wait) => void, asker: KnowingAsker) {
    super(subject, options, over, asker);
    this.#knowing = asker;
  }

  override reply(message: NatsMessage): void {
    if (!this.#knowing.knows(message)) return;
    this.final = true;
    super.reply(message);
  }
}

class ManyReplies extends Wait {
  readonly #asker: Asker<BusMessage[]>;
  readonly #most: number;
  readonly #replies: BusMessage[] = [];

  constructor(subject: string, options: GatherOptions, over: (wait: Wait) => void, asker: Asker<BusMessage[]>) {
    super(subject, options, over);
    this.#asker = asker;
    this.#most = options.max ?? Infinity;
  }

  nobody(): void {
    this.#asker.answered(this.#replies);
  }

  failed(error: LatticeError): void {
    this.#asker.failed(error);
  }

  reply(message: NatsMessage): void {
    this.#replies.push(message);
    if (this.#replies.length >= this.#most) this.late();
  }

  late(): void {
    this.over(this);
    this.#asker.answered(this.#replies);
  }
}
