import { type Asker, tell } from "./asker.ts";
import { checkHeaders, noHeaders } from "./bus.ts";
import type {
  Bus,
  BusHeaders,
  BusMessage,
  BusStatus,
  GatherOptions,
  MessageHandler,
  PublishOptions,
  RequestOptions,
  SubscribeOptions,
  Subscription,
} from "./bus.ts";
import { fail, isLatticeError } from "./errors.ts";
import { MemorySubscription, MemorySwitchboard } from "./memory-switchboard.ts";
import type { SubscriptionOwner } from "./memory-switchboard.ts";
import { nuid } from "./nuid.ts";
import { checkPattern, checkSubject } from "./subject-patterns.ts";

export interface MemoryBusOptions {
  /** Default 1 MiB, as a NATS server has it. */
  readonly maxPayloadBytes?: number;
  /** What a handler threw. Default a process warning. */
  readonly onHandlerError?: (error: unknown, subject: string) => void;
}

/**
 * A message broker inside the process. Each `connect` is a bus of its own, so that several hosts of
 * one process meet as they would on a server.
 */
export class MemoryBroker {
  readonly #switchboard = new MemorySwitchboard();

  connect(options: MemoryBusOptions = {}): Bus {
    return new MemoryBus(this.#switchboard, options);
  }
}

/** The embedded default: a bus on a broker of its own. */
export function memoryBus(options?: MemoryBusOptions): Bus {
  return new MemoryBroker().connect(options);
}

class MemoryBus implements Bus, SubscriptionOwner {
  readonly maxPayloadBytes: number;
  readonly #switchboard: MemorySwitchboard;
  readonly #onHandlerError: (error: unknown, subject: string) => void;
  readonly #subscriptions = new Set<MemorySubscription>();
  readonly #waits = new Set<Wait>();
  readonly #listeners = new Set<(status: BusStatus) => void>();
  #status: BusStatus = "connected";
  #draining: Promise<void> | undefined;

  constructor(switchboard: MemorySwitchboard, options: MemoryBusOptions) {
    this.#switchboard = switchboard;
    this.maxPayloadBytes = options.maxPayloadBytes ?? 1024 * 1024;
    this.#onHandlerError = options.onHandlerError ?? warnOfHandler;
  }

  get status(): BusStatus {
    return this.#status;
  }

  onStatus(listener: (status: BusStatus) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  publish(subject: string, payload: Uint8Array, options: PublishOptions = {}): void {
    this.#send(subject, payload, options);
  }

  async request(subject: string, payload: Uint8Array, options: RequestOptions): Promise<BusMessage> {
    const [reply] = await this.#ask(subject, payload, options, 1, () => fail("NO_RESPONDERS", subject));
    if (reply === undefined) throw fail("RPC_TIMEOUT", subject, options.timeoutMs);
    return reply;
  }

  ask(subject: string, payload: Uint8Array, options: RequestOptions, asker: Asker<BusMessage>): void {
    tell(this.request(subject, payload, options), asker);
  }

  async gather(subject: string, payload: Uint8Array, options: GatherOptions): Promise<BusMessage[]> {
    return await this.#ask(subject, payload, options, options.max ?? Infinity, () => undefined);
  }

  subscribe(pattern: string, handler: MessageHandler, options: SubscribeOptions = {}): Subscription {
    checkPattern(pattern);
    if (options.queue !== undefined) checkSubject(options.queue);
    if (this.#status === "draining") throw fail("BUS_CLOSED", `it drains, so nothing can listen on ${pattern}`);
    return this.#listen(pattern, handler, options.queue);
  }

  async flush(): Promise<void> {
    this.#checkOpen("nothing can be flushed");
    await new Promise<void>((resolve) => this.#switchboard.afterQueued(resolve));
  }

  async drain(): Promise<void> {
    this.#draining ??= this.#finish();
    await this.#draining;
  }

  async close(): Promise<void> {
    if (this.#status === "closed") return;
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    for (const wait of this.#waits) wait.fail(fail("BUS_CLOSED", `no reply on ${wait.subject} any more`));
    this.#become("closed");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** A late answer to a closed bus is nobody's fault. */
  respond(reply: string, payload: Uint8Array, headers?: BusHeaders): boolean {
    if (this.#status === "closed") return false;
    this.#send(reply, payload, headers === undefined ? {} : { headers });
    return true;
  }

  forget(subscription: MemorySubscription): void {
    this.#switchboard.remove(subscription);
    this.#subscriptions.delete(subscription);
  }

  handlerFailed(error: unknown, subject: string): void {
    this.#onHandlerError(error, subject);
  }

  async #finish(): Promise<void> {
    if (this.#status === "closed") return;
    const inboxes = new Set(Array.from(this.#waits, ({ inbox }) => inbox));
    this.#become("draining");
    await Promise.all(
      [...this.#subscriptions].filter((each) => !inboxes.has(each)).map(async (each) => await each.drain()),
    );
    await Promise.allSettled(Array.from(this.#waits, ({ settled }) => settled));
    await this.close();
  }

  #send(subject: string, payload: Uint8Array, { reply, headers = noHeaders }: PublishOptions): number {
    this.#checkOpen(`nothing can be sent to ${subject}`);
    checkSubject(subject);
    if (reply !== undefined) checkSubject(reply);
    checkHeaders(headers);
    if (payload.length > this.maxPayloadBytes)
      throw fail("PAYLOAD_TOO_LARGE", `the message to ${subject}`, payload.length, this.maxPayloadBytes);
    return this.#switchboard.route(subject, payload, headers, reply);
  }

  #listen(pattern: string, handler: MessageHandler, queue?: string): MemorySubscription {
    this.#checkOpen(`nothing can listen on ${pattern}`);
    const subscription = new MemorySubscription(this, pattern, handler, queue);
    this.#subscriptions.add(subscription);
    this.#switchboard.add(subscription);
    return subscription;
  }

  /** Sends with an inbox as reply subject and collects up to `max` answers until the time is over. */
  async #ask(
    subject: string,
    payload: Uint8Array,
    { timeoutMs, headers, signal }: RequestOptions,
    max: number,
    onNobody: () => Error | undefined,
  ): Promise<BusMessage[]> {
    if (!(timeoutMs >= 1)) throw fail("OPTION_OUT_OF_RANGE", "timeoutMs", timeoutMs, "at least 1");
    if (signal?.aborted) throw fail("CALLER_GONE", subject);
    const replies: BusMessage[] = [];
    const { promise, resolve, reject } = Promise.withResolvers<BusMessage[]>();
    const inbox = this.#listen(`_INBOX.${nuid()}`, (message) => {
      if (replies.length < max) replies.push(message);
      if (replies.length >= max) resolve(replies);
    });
    const wait: Wait = { subject, inbox, fail: reject, settled: promise };
    const gone = (): void => reject(fail("CALLER_GONE", subject));
    const timer = setTimeout(() => resolve(replies), timeoutMs);
    signal?.addEventListener("abort", gone);
    this.#waits.add(wait);
    try {
      const listeners = this.#send(subject, payload, { reply: inbox.pattern, ...(headers && { headers }) });
      if (listeners === 0) {
        const problem = onNobody();
        if (problem) reject(problem);
        else resolve(replies);
      }
    } catch (error) {
      reject(error);
    }
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", gone);
      this.#waits.delete(wait);
      inbox.unsubscribe();
    }
  }

  #checkOpen(what: string): void {
    if (this.#status === "closed") throw fail("BUS_CLOSED", what);
  }

  #become(status: BusStatus): void {
    this.#status = status;
    for (const listener of this.#listeners) listener(status);
  }
}

interface Wait {
  readonly subject: string;
  readonly inbox: MemorySubscription;
  readonly fail: (error: Error) => void;
  readonly settled: Promise<unknown>;
}

function warnOfHandler(error: unknown, subject: string): void {
  const text = isLatticeError(error) ? `${error.code}: ${error.message}` : String(error);
  process.emitWarning(`a handler of ${subject} failed: ${text}`, "BusHandlerWarning");
}
