import type { MessageHandler, Subscription } from "../bus.ts";
import { NatsMessage } from "./message.ts";
import type { Responder } from "./message.ts";
import type { RawMessage } from "./parser.ts";
import type { Interest, NatsSession } from "./session.ts";

/** The bus that a subscription was made on. */
export interface SubscriptionOwner extends Responder {
  readonly session: NatsSession;
  forget(subscription: NatsSubscription): void;
  handlerFailed(error: unknown, subject: string): void;
}

/** One listener. Its handler may take long: `drain` waits for what it is at. */
export class NatsSubscription implements Subscription, Interest {
  readonly sid: number;
  readonly pattern: string;
  readonly queue: string | undefined;
  readonly #bus: SubscriptionOwner;
  readonly #handler: MessageHandler;
  #atWork = 0;
  #taking = true;
  #idle: (() => void)[] = [];
  #draining: Promise<void> | undefined;

  constructor(bus: SubscriptionOwner, pattern: string, handler: MessageHandler, queue: string | undefined) {
    this.sid = bus.session.nextSid();
    this.pattern = pattern;
    this.queue = queue;
    this.#bus = bus;
    this.#handler = handler;
  }

  get overlaps(): boolean {
    return this.queue !== undefined;
  }

  take(raw: RawMessage): void {
    if (!this.#taking) return;
    const message = new NatsMessage(raw, this.#bus);
    try {
      const working = this.#handler(message);
      if (working instanceof Promise) void this.#follow(working, message);
    } catch (error) {
      this.#bus.handlerFailed(error, message.subject);
    }
  }

  unsubscribe(): void {
    if (!this.#taking) return;
    this.#taking = false;
    this.#bus.session.unsubscribe(this.sid);
    this.#bus.forget(this);
  }

  async drain(): Promise<void> {
    this.#draining ??= this.#finish();
    await this.#draining;
  }

  async #finish(): Promise<void> {
    if (!this.#taking) return;
    this.#bus.session.unsubscribe(this.sid);
    // What the server sent before it saw that comes before the answer to this.
    await this.#bus.session.tryFlush();
    this.#taking = false;
    this.#bus.forget(this);
    if (this.#atWork > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  async #follow(working: Promise<void>, message: NatsMessage): Promise<void> {
    this.#atWork++;
    try {
      await working;
    } catch (error) {
      this.#bus.handlerFailed(error, message.subject);
    } finally {
      if (--this.#atWork === 0) for (const resolve of this.#idle.splice(0)) resolve();
    }
  }
}
