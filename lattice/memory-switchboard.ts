import type { BusHeaders, BusMessage, MessageHandler, Subscription } from "./bus.ts";
import { isPattern, tokensMatch } from "./subject-patterns.ts";

/** Knows who listens on what, and hands messages over in the order in which they came. */
export class MemorySwitchboard {
  readonly #exact = new Map<string, Set<MemorySubscription>>();
  readonly #patterns = new Set<MemorySubscription>();
  #queue: Delivery[] = [];
  #scheduled = false;

  add(subscription: MemorySubscription): void {
    if (isPattern(subscription.pattern)) this.#patterns.add(subscription);
    else {
      const others = this.#exact.get(subscription.pattern);
      if (others) others.add(subscription);
      else this.#exact.set(subscription.pattern, new Set([subscription]));
    }
  }

  remove(subscription: MemorySubscription): void {
    this.#patterns.delete(subscription);
    const others = this.#exact.get(subscription.pattern);
    if (others?.delete(subscription) && others.size === 0) this.#exact.delete(subscription.pattern);
  }

  /** Queues a message for everyone meant by it; returns how many that are. */
  route(subject: string, payload: Uint8Array, headers: BusHeaders, reply: string | undefined): number {
    const receivers = this.#receivers(subject);
    for (const subscription of receivers) {
      subscription.pending++;
      this.#queue.push({ subscription, subject, payload, headers, reply });
    }
    if (receivers.length > 0) this.#schedule();
    return receivers.length;
  }

  /** Calls back when everything queued so far was handed over. */
  afterQueued(work: () => void): void {
    this.#queue.push({ work });
    this.#schedule();
  }

  /** Every subscription without a queue, and of each queue one member by lot. */
  #receivers(subject: string): MemorySubscription[] {
    const all = [...(this.#exact.get(subject) ?? [])];
    const tokens = subject.split(".");
    for (const candidate of this.#patterns) if (tokensMatch(candidate.tokens, tokens)) all.push(candidate);
    const queues = Map.groupBy(all, ({ queue }) => queue);
    return [...queues].flatMap(([queue, members]) =>
      queue === undefined ? members : [members[Math.floor(Math.random() * members.length)]!],
    );
  }

  /** In a turn of its own, so that no handler runs inside a publish and a message storm starves nobody. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      const batch = this.#queue;
      this.#queue = [];
      for (const delivery of batch) {
        if ("work" in delivery) delivery.work();
        else delivery.subscription.deliver(delivery);
      }
    });
  }
}

type Delivery = Message | { readonly work: () => void };

interface Message {
  readonly subscription: MemorySubscription;
  readonly subject: string;
  readonly payload: Uint8Array;
  readonly headers: BusHeaders;
  readonly reply: string | undefined;
}

/** The bus that a subscription was made on. */
export interface SubscriptionOwner {
  respond(reply: string, payload: Uint8Array, headers?: BusHeaders): boolean;
  forget(subscription: MemorySubscription): void;
  handlerFailed(error: unknown, subject: string): void;
}

/** One listener on the switchboard. */
export class MemorySubscription implements Subscription {
  readonly pattern: string;
  readonly tokens: readonly string[];
  readonly queue: string | undefined;
  /** Messages queued for it or in its handler. */
  pending = 0;
  readonly #bus: SubscriptionOwner;
  readonly #handler: MessageHandler;
  #taking = true;
  #idle: (() => void)[] = [];

  constructor(bus: SubscriptionOwner, pattern: string, handler: MessageHandler, queue: string | undefined) {
    this.pattern = pattern;
    this.tokens = pattern.split(".");
    this.queue = queue;
    this.#bus = bus;
    this.#handler = handler;
  }

  deliver({ subject, payload, headers, reply }: Message): void {
    if (!this.#taking) {
      this.#done();
      return;
    }
    const respond = (answer: Uint8Array, answerHeaders?: BusHeaders): boolean =>
      reply !== undefined && this.#bus.respond(reply, answer, answerHeaders);
    void this.#handle({ subject, payload, headers, reply, respond });
  }

  unsubscribe(): void {
    this.#taking = false;
    this.#bus.forget(this);
  }

  async drain(): Promise<void> {
    this.#bus.forget(this);
    if (this.pending > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
    this.#taking = false;
  }

  async #handle(message: BusMessage): Promise<void> {
    try {
      await this.#handler(message);
    } catch (error) {
      this.#bus.handlerFailed(error, message.subject);
    } finally {
      this.#done();
    }
  }

  #done(): void {
    if (--this.pending > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}
