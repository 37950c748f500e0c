import { fail, isLatticeError, traceHeaders, traceOfHeaders } from "../../lattice/index.ts";
import type { Message } from "../messaging/contract.ts";
import type { Exchange, Listening, Receiver } from "../messaging/exchange.ts";
import type { Subscription } from "../messaging/subjects.ts";
import type { NatsConnection } from "../nats/connection.ts";
import type { Health, ProviderCall } from "../provider.ts";

/**
 * Subjects of a NATS server. A publish is done when it is on its way: nobody tells who got it. A message
 * that an actor has no room for is lost, as with any slow subscriber of NATS.
 */
export class NatsExchange implements Exchange {
  readonly #nats: NatsConnection;
  readonly #listening = new Set<Listening>();

  constructor(nats: NatsConnection) {
    this.#nats = nats;
  }

  publish({ subject, replyTo, body }: Message, { trace }: ProviderCall): void {
    this.#nats.check();
    const headers = traceHeaders(trace);
    // The bus sends the bytes after this has returned; they lie in guest memory.
    this.#bus.publish(subject, Uint8Array.from(body), { ...(replyTo !== "" && { reply: replyTo }), headers });
  }

  async request(subject: string, body: Uint8Array, timeoutMs: number, cause: ProviderCall): Promise<Message> {
    const copy = Uint8Array.from(body);
    this.#nats.check();
    try {
      const answer = await this.#bus.request(subject, copy, { timeoutMs, headers: traceHeaders(cause.trace) });
      return { subject: answer.subject, replyTo: answer.reply ?? "", body: answer.payload };
    } catch (error) {
      throw isLatticeError(error) && error.code === "BUS_CLOSED" ? fail("STOPPED", this.#nats.title) : error;
    }
  }

  listen({ pattern, group }: Subscription, receiver: Receiver): Listening {
    const subscription = this.#bus.subscribe(
      pattern,
      ({ subject, reply = "", payload, headers }) => {
        if (receiver.full) receiver.drop();
        else receiver.take({ subject, replyTo: reply, body: payload }, traceOfHeaders(headers));
      },
      group === undefined ? {} : { queue: group },
    );
    const listening = {
      stop: async () => {
        this.#listening.delete(listening);
        await subscription.drain();
      },
    };
    this.#listening.add(listening);
    return listening;
  }

  settled(): Promise<void> {
    return this.#nats.settled();
  }

  health(): Health {
    return this.#nats.health();
  }

  async drain(): Promise<void> {
    await Promise.all([...this.#listening].map(async (each) => each.stop()));
  }

  close(): Promise<void> {
    return this.#nats.close();
  }

  get #bus() {
    return this.#nats.connection.bus;
  }
}
