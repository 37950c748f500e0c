import { type TraceContext, fail } from "../../lattice/index.ts";
import type { Message } from "../messaging/contract.ts";
import type { Exchange, Listening, Receiver } from "../messaging/exchange.ts";
import { type Subscription, matcher } from "../messaging/subjects.ts";
import type { ProviderCall } from "../provider.ts";
import { Inboxes } from "./inboxes.ts";

interface Subscriber {
  readonly receiver: Receiver;
  readonly group: string | undefined;
  readonly matches: (subject: string) => boolean;
}

/**
 * Subjects within one host. At most once, nothing is kept: a message without a subscriber is gone. One
 * that some subscriber has no room for fails its publisher.
 */
export class MemoryExchange implements Exchange {
  readonly #owner: string;
  readonly #subscribers = new Set<Subscriber>();
  readonly #inboxes = new Inboxes();

  /** `owner` is told as what stopped. */
  constructor(owner: string) {
    this.#owner = owner;
  }

  publish(message: Message, { trace }: ProviderCall): void {
    if (!this.#inboxes.deliver(message)) this.#send(message, trace);
  }

  request(subject: string, body: Uint8Array, timeoutMs: number, cause: ProviderCall): Promise<Message> {
    const { inbox, answer } = this.#inboxes.open(subject, timeoutMs);
    try {
      const reached = this.#send({ subject, replyTo: inbox, body }, cause.trace, cause);
      if (reached === 0) throw fail("NO_RESPONDERS", subject);
    } catch (error) {
      this.#inboxes.drop(inbox);
      throw error;
    }
    return answer;
  }

  listen({ pattern, group }: Subscription, receiver: Receiver): Listening {
    const subscriber = { receiver, group, matches: matcher(pattern) };
    this.#subscribers.add(subscriber);
    return { stop: () => void this.#subscribers.delete(subscriber) };
  }

  close(): void {
    this.#subscribers.clear();
    this.#inboxes.close(fail("STOPPED", this.#owner));
  }

  /** A copy for every subscription, one per queue group; all of them or, when one is full, none. */
  #send(message: Message, trace: TraceContext | undefined, cause?: ProviderCall): number {
    const chosen = this.#choose(message.subject);
    const full = chosen.find((receiver) => receiver.full);
    if (full) throw fail("QUEUE_FULL", full.name, full.pending);
    for (const receiver of chosen) receiver.take(message, trace, cause);
    return chosen.length;
  }

  #choose(subject: string): Receiver[] {
    const chosen: Receiver[] = [];
    const groups = new Map<string, Receiver[]>();
    for (const { receiver, group, matches } of this.#subscribers) {
      if (!matches(subject)) continue;
      if (group === undefined) chosen.push(receiver);
      else groups.set(group, [...(groups.get(group) ?? []), receiver]);
    }
    for (const members of groups.values()) chosen.push(idlest(members));
    return chosen;
  }
}

/** The member with the fewest messages waiting; among equals any, so that none is always first. */
function idlest(members: readonly Receiver[]): Receiver {
  const offset = Math.floor(Math.random() * members.length);
  let best = members[offset]!;
  for (let i = 1; i < members.length; i++) {
    const member = members[(offset + i) % members.length]!;
    if (member.pending < best.pending) best = member;
  }
  return best;
}
