import { contractOf, describe, fail, type TraceContext } from "../../lattice/index.ts";
import { payloadError } from "../codec/malformed.ts";
import {
  type Message,
  deliverOperation,
  encodeAnswer,
  encodeDelivery,
  encodePublished,
  readPublish,
  readRequest,
} from "../messaging/contract.ts";
import type { Link, Provider, ProviderCall, ProviderContext } from "../provider.ts";
import { Inboxes } from "./inboxes.ts";
import { readSubscriptions } from "./settings.ts";
import { checkSubject, matcher } from "./subjects.ts";

export interface MemoryMessagingOptions {
  /** Messages that one link may have waiting or in work; more fails the publish. Default 1000. */
  maxPending?: number;
  /** Longest wait for an answer in milliseconds where the asker says nothing. Default 2000. */
  requestTimeoutMs?: number;
}

interface Subscriber {
  readonly link: Link;
  readonly group: string | undefined;
  readonly matches: (subject: string) => boolean;
  readonly load: { pending: number };
}

/**
 * Subjects within one host: publish, subscribe with wildcards and queue groups, request and reply.
 * At most once, nothing is kept: a message without a subscriber is gone. Messages are delivered in
 * a later turn of the event loop, so that actors which answer each other never grow the stack.
 */
export function memoryMessaging(options: MemoryMessagingOptions = {}): Provider {
  return new MemoryMessaging(options);
}

class MemoryMessaging implements Provider {
  readonly contractId = contractOf("messaging");
  readonly name = "messaging in memory";
  readonly #options: Required<MemoryMessagingOptions>;
  readonly #subscribers = new Map<string, Subscriber[]>();
  readonly #inboxes = new Inboxes();
  readonly #queue: (() => void)[] = [];
  #context: ProviderContext | undefined;
  #inWork = 0;
  #idle: (() => void)[] = [];

  constructor({ maxPending = 1_000, requestTimeoutMs = 2_000 }: MemoryMessagingOptions) {
    if (!(maxPending >= 1)) throw fail("OPTION_OUT_OF_RANGE", "maxPending", maxPending, "at least 1");
    if (!(requestTimeoutMs >= 1)) throw fail("OPTION_OUT_OF_RANGE", "requestTimeoutMs", requestTimeoutMs, "at least 1");
    this.#options = { maxPending, requestTimeoutMs };
  }

  start(context: ProviderContext): void {
    this.#context = context;
  }

  putLink(link: Link): void {
    const load = this.#subscribers.get(link.id)?.[0]?.load ?? { pending: 0 };
    const subscriptions = readSubscriptions(link.values);
    this.#subscribers.set(
      link.id,
      subscriptions.map(({ pattern, group }) => ({ link, group, matches: matcher(pattern), load })),
    );
  }

  deleteLink(link: Link): void {
    this.#subscribers.delete(link.id);
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

  /** Resolves when every message taken has been handed to its actor and answered. */
  async drain(): Promise<void> {
    if (this.#inWork > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  stop(): Promise<void> {
    this.#subscribers.clear();
    this.#inboxes.close(fail("STOPPED", this.name));
    return Promise.resolve();
  }

  #publish({ era, payload, trace }: ProviderCall): Uint8Array {
    const message = readPublish(era, payload);
    checkSubject(message.subject);
    if (!this.#inboxes.deliver(message)) this.#send(message, trace);
    return encodePublished(era);
  }

  #request(call: ProviderCall): Promise<Uint8Array> {
    const { era, payload, trace, deadline } = call;
    const { subject, body, timeoutMs } = readRequest(era, payload);
    checkSubject(subject);
    const wanted = timeoutMs === 0 ? this.#options.requestTimeoutMs : timeoutMs;
    const left = Math.max(1, Math.min(wanted, deadline - performance.now()));
    const { inbox, answer } = this.#inboxes.open(subject, left);
    try {
      const reached = this.#send({ subject, replyTo: inbox, body }, trace, call);
      if (reached === 0) throw fail("NO_RESPONDERS", subject);
    } catch (error) {
      this.#inboxes.drop(inbox);
      throw error;
    }
    return answer.then((message) => encodeAnswer(era, message));
  }

  /** Queues a copy for every subscription, one per queue group; all of them or, when one is full, none. */
  #send(message: Message, trace: TraceContext | undefined, cause?: ProviderCall): number {
    const chosen = this.#choose(message.subject);
    const full = chosen.find(({ load }) => load.pending >= this.#options.maxPending);
    if (full) throw fail("QUEUE_FULL", full.link.linkedActor.name, full.load.pending);
    for (const subscriber of chosen) {
      const { era, language } = subscriber.link.linkedActor;
      const payload = encodeDelivery(era, message, language);
      subscriber.load.pending++;
      this.#inWork++;
      if (this.#queue.push(() => this.#deliver(subscriber, deliverOperation(era), payload, trace, cause)) === 1) {
        setImmediate(() => this.#flush());
      }
    }
    return chosen.length;
  }

  #choose(subject: string): Subscriber[] {
    const chosen: Subscriber[] = [];
    const groups = new Map<string, Subscriber[]>();
    for (const subscribers of this.#subscribers.values()) {
      for (const subscriber of subscribers) {
        if (!subscriber.matches(subject)) continue;
        const { group } = subscriber;
        if (group === undefined) chosen.push(subscriber);
        else groups.set(group, [...(groups.get(group) ?? []), subscriber]);
      }
    }
    for (const members of groups.values()) chosen.push(idlest(members));
    return chosen;
  }

  #flush(): void {
    for (const deliver of this.#queue.splice(0)) deliver();
  }

  #deliver(
    { link, load }: Subscriber,
    operation: string,
    payload: Uint8Array,
    trace: TraceContext | undefined,
    cause: ProviderCall | undefined,
  ): void {
    const context = this.#context;
    const done = () => {
      load.pending--;
      if (--this.#inWork === 0) for (const resolve of this.#idle.splice(0)) resolve();
    };
    if (!context || !this.#subscribers.has(link.id)) return done();
    context
      .invoke(link, operation, payload, { ...(trace && { trace }), ...(cause && { cause }) })
      .catch((error: unknown) =>
        context.log("warn", `${link.linkedActor.name} failed a message: ${describe(error)}`, { operation }),
      )
      .finally(done);
  }
}

/** The member with the fewest messages waiting; among equals any, so that none is always first. */
function idlest(members: readonly Subscriber[]): Subscriber {
  const offset = Math.floor(Math.random() * members.length);
  let best = members[offset]!;
  for (let i = 1; i < members.length; i++) {
    const member = members[(offset + i) % members.length]!;
    if (member.load.pending < best.load.pending) best = member;
  }
  return best;
}
