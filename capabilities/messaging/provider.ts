import { contractOf, fail } from "../../lattice/index.ts";
import { payloadError } from "../codec/malformed.ts";
import { Leases } from "../leases.ts";
import type { Health, Link, Provider, ProviderCall, ProviderContext } from "../provider.ts";
import { encodeAnswer, encodePublished, readPublish, readRequest } from "./contract.ts";
import { Deliveries, LinkReceiver } from "./deliveries.ts";
import type { Exchange, Listening } from "./exchange.ts";
import { type MessagingConfig, readMessagingConfig, readSubscriptions, refuseProblems } from "./settings.ts";
import { type Subscription, checkSubject } from "./subjects.ts";

export interface MessagingOptions {
  /** Messages that one link may have waiting or in work. Default 1000. */
  readonly maxPending?: number;
  /** Longest wait for an answer in milliseconds where the asker says nothing. Default 2000. */
  readonly requestTimeoutMs?: number;
}

/** How a provider comes to its exchanges: one for all links, or one per server that links name. */
export interface ExchangeSource<Place extends { readonly id: string } = { readonly id: string }> {
  /** Of the provider. */
  readonly name: string;
  /** Reads the values of a link; adds what is wrong to `problems`. Equal ids mean one exchange. */
  placeOf(values: Readonly<Record<string, string>>, config: MessagingConfig, problems: string[]): Place;
  /** Once per place in use. A server that is away is no error: calls fail until it is there. */
  open(place: Place, report: (text: string) => void): Exchange | Promise<Exchange>;
  /** Set when there is one exchange for all, open until the provider stops; it answers links that were never put as well. */
  readonly only?: Exchange;
}

interface Linked {
  readonly place: string;
  readonly exchange: Exchange;
  readonly receiver: LinkReceiver;
  /** By subject and queue group. */
  readonly listening: ReadonlyMap<string, Listening>;
}

/** The provider of `wasmcloud:messaging` over any source of exchanges: links to subscriptions, calls to messages. */
export class Messaging<Place extends { readonly id: string } = { readonly id: string }> implements Provider {
  readonly contractId = contractOf("messaging");
  readonly name: string;
  readonly #source: ExchangeSource<Place>;
  readonly #requestTimeoutMs: number;
  readonly #deliveries: Deliveries;
  readonly #exchanges = new Leases<Exchange>();
  readonly #links = new Map<string, Linked>();
  /** The latest put of each link: what an earlier one opened meanwhile is not wanted any more. */
  readonly #wanted = new Map<string, Link>();

  /** @throws LatticeError OPTION_OUT_OF_RANGE */
  constructor(source: ExchangeSource<Place>, { maxPending = 1_000, requestTimeoutMs = 2_000 }: MessagingOptions) {
    if (!(maxPending >= 1)) throw fail("OPTION_OUT_OF_RANGE", "maxPending", maxPending, "at least 1");
    if (!(requestTimeoutMs >= 1)) throw fail("OPTION_OUT_OF_RANGE", "requestTimeoutMs", requestTimeoutMs, "at least 1");
    this.name = source.name;
    this.#source = source;
    this.#requestTimeoutMs = requestTimeoutMs;
    this.#deliveries = new Deliveries(maxPending);
  }

  start(context: ProviderContext): void {
    this.#deliveries.context = context;
  }

  /** What was listened to before and is still wanted goes on; the new begins before the old ends. */
  async putLink(link: Link): Promise<void> {
    const { place, subscriptions } = this.#read(link);
    this.#wanted.set(link.id, link);
    const exchange = await this.#take(place);
    if (this.#wanted.get(link.id) !== link) return this.#release(place.id);
    const before = this.#links.get(link.id);
    const receiver = before?.receiver ?? new LinkReceiver(this.#deliveries, link);
    receiver.relinked(link);
    const kept = before?.exchange === exchange ? before.listening : undefined;
    const listening = new Map(
      subscriptions.map((each) => {
        const key = keyOf(each);
        return [key, kept?.get(key) ?? exchange.listen(each, receiver)];
      }),
    );
    this.#links.set(link.id, { place: place.id, exchange, receiver, listening });
    if (!kept) await exchange.settled?.();
    if (!before) return;
    // On one exchange in one breath, so that no message comes by both.
    const ended = [...before.listening].filter(([key, each]) => listening.get(key) !== each);
    await Promise.all([exchange.settled?.(), ...ended.map(async ([, each]) => each.stop())]);
    await this.#release(before.place);
  }

  async deleteLink({ id }: Link): Promise<void> {
    this.#wanted.delete(id);
    const linked = this.#links.get(id);
    if (!linked) return;
    this.#links.delete(id);
    linked.receiver.close();
    await Promise.all([...linked.listening.values()].map(async (each) => each.stop()));
    await this.#release(linked.place);
  }

  handle(call: ProviderCall): Uint8Array | Promise<Uint8Array> {
    const { contractId, operation } = call;
    try {
      switch (operation) {
        case "Publish":
        case "Messaging.Publish":
          return this.#publish(call);
        case "Request":
        case "Messaging.Request":
          return this.#request(call);
        default:
          throw fail("OPERATION_UNKNOWN", contractId, operation);
      }
    } catch (error) {
      throw payloadError(operation, error);
    }
  }

  /** The first exchange that is not well speaks for all. */
  async health(): Promise<Health> {
    for (const exchange of await this.#exchanges.all()) {
      const health = exchange.health?.();
      if (health && !health.healthy) return health;
    }
    return { healthy: true };
  }

  async drain(): Promise<void> {
    await Promise.all((await this.#exchanges.all()).map(async (each) => each.drain?.()));
    await this.#deliveries.idle();
  }

  async stop(): Promise<void> {
    this.#wanted.clear();
    for (const { receiver } of this.#links.values()) receiver.close();
    this.#links.clear();
    await this.#source.only?.close();
    await this.#exchanges.close();
  }

  #read({ values }: Link): { place: Place; subscriptions: readonly Subscription[] } {
    const problems: string[] = [];
    const config = readMessagingConfig(values, problems);
    const subscriptions = readSubscriptions(values, config, problems);
    const place = this.#source.placeOf(values, config, problems);
    refuseProblems(this.name, problems);
    return { place, subscriptions };
  }

  async #take(place: Place): Promise<Exchange> {
    const report = (text: string) => this.#deliveries.context?.log("warn", text);
    return this.#source.only ?? this.#exchanges.take(place.id, () => this.#source.open(place, report));
  }

  async #release(place: string): Promise<void> {
    if (!this.#source.only) await this.#exchanges.release(place);
  }

  #exchangeOf({ link, contractId }: ProviderCall): Exchange {
    const exchange = this.#links.get(link.id)?.exchange ?? this.#source.only;
    if (exchange === undefined) throw fail("LINK_ABSENT", link.linkedActor.name, contractId, link.linkName);
    return exchange;
  }

  #publish(call: ProviderCall): Uint8Array {
    const { era, payload } = call;
    const message = readPublish(era, payload);
    checkSubject(message.subject);
    if (message.replyTo !== "") checkSubject(message.replyTo);
    this.#exchangeOf(call).publish(message, call);
    return encodePublished(era);
  }

  #request(call: ProviderCall): Promise<Uint8Array> {
    const { era, payload, deadline } = call;
    const { subject, body, timeoutMs } = readRequest(era, payload);
    checkSubject(subject);
    const wanted = timeoutMs === 0 ? this.#requestTimeoutMs : timeoutMs;
    const left = Math.max(1, Math.round(Math.min(wanted, deadline - performance.now())));
    const answer = this.#exchangeOf(call).request(subject, body, left, call);
    return answer.then((message) => encodeAnswer(era, message));
  }
}

function keyOf({ pattern, group }: Subscription): string {
  return `${pattern}|${group ?? ""}`;
}
