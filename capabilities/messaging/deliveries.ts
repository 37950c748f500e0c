import { describe, type TraceContext } from "../../lattice/index.ts";
import type { Link, ProviderCall, ProviderContext } from "../provider.ts";
import { type Message, deliverOperation, encodeDelivery } from "./contract.ts";
import type { Receiver } from "./exchange.ts";

/**
 * Messages on their way to actors. Each is handed over in a later turn of the event loop, so that
 * actors which answer each other never grow the stack.
 */
export class Deliveries {
  /** Messages that one link may have waiting or in work. */
  readonly maxPending: number;
  context: ProviderContext | undefined;
  readonly #queue: (() => void)[] = [];
  #inWork = 0;
  #idle: (() => void)[] = [];

  constructor(maxPending: number) {
    this.maxPending = maxPending;
  }

  /** `deliver` runs later; it calls `done` once. */
  add(deliver: (done: () => void) => void): void {
    this.#inWork++;
    const done = () => {
      if (--this.#inWork === 0) for (const resolve of this.#idle.splice(0)) resolve();
    };
    if (this.#queue.push(() => deliver(done)) === 1) setImmediate(() => this.#flush());
  }

  /** Resolves when every message taken has been handed to its actor and answered. */
  async idle(): Promise<void> {
    if (this.#inWork > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #flush(): void {
    for (const deliver of this.#queue.splice(0)) deliver();
  }
}

/** The actor of one link, across changes of its values. */
export class LinkReceiver implements Receiver {
  readonly #deliveries: Deliveries;
  #link: Link;
  #closed = false;
  #pending = 0;
  #dropped = 0;

  constructor(deliveries: Deliveries, link: Link) {
    this.#deliveries = deliveries;
    this.#link = link;
  }

  get name(): string {
    return this.#link.linkedActor.name;
  }

  get pending(): number {
    return this.#pending;
  }

  get full(): boolean {
    return this.#pending >= this.#deliveries.maxPending;
  }

  relinked(link: Link): void {
    this.#link = link;
  }

  /** It gets nothing more, not even what is on its way. */
  close(): void {
    this.#closed = true;
  }

  take(message: Message, trace: TraceContext | undefined, cause?: ProviderCall): void {
    const { era, language } = this.#link.linkedActor;
    const payload = encodeDelivery(era, message, language);
    const operation = deliverOperation(era);
    this.#pending++;
    this.#deliveries.add((done) => {
      const { context } = this.#deliveries;
      const finished = () => {
        this.#pending--;
        this.#tellDropped();
        done();
      };
      if (!context || this.#closed) return finished();
      context
        .invoke(this.#link, operation, payload, { ...(trace && { trace }), ...(cause && { cause }) })
        .catch((error: unknown) =>
          context.log("warn", `${this.name} failed a message: ${describe(error)}`, { operation }),
        )
        .finally(finished);
    });
  }

  drop(): void {
    if (this.#dropped++ > 0) return;
    this.#deliveries.context?.log("warn", `messages for ${this.name} are lost: ${this.#pending} already wait`);
  }

  #tellDropped(): void {
    if (this.#dropped === 0 || this.#pending > this.#deliveries.maxPending / 2) return;
    this.#deliveries.context?.log("warn", `${this.#dropped} messages for ${this.name} were lost while it was busy`);
    this.#dropped = 0;
  }
}
