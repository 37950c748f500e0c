import { addressText, parseAddress } from "./options.ts";
import type { NatsAddress } from "./options.ts";

/** The servers that may be tried: those configured, and those of the cluster that the last one told of. */
export class ServerPool {
  readonly #configured: readonly NatsAddress[];
  #told: readonly NatsAddress[] = [];
  #last: string | undefined;

  constructor(configured: readonly NatsAddress[]) {
    // By lot, so that the hosts of a lattice spread over its servers.
    this.#configured = shuffled(configured);
  }

  /** `host:port, host:port` of those configured. */
  get text(): string {
    return this.#configured.map(addressText).join(", ");
  }

  /** Every server once, the one used last at the end. */
  round(): NatsAddress[] {
    const all = new Map([...this.#configured, ...this.#told].map((address) => [addressText(address), address]));
    const last = all.get(this.#last ?? "");
    if (last !== undefined) {
      all.delete(this.#last!);
      all.set(this.#last!, last);
    }
    return [...all.values()];
  }

  /** Answers whether the cluster has other members than before. */
  used(address: NatsAddress, connectUrls: readonly string[] = []): boolean {
    this.#last = addressText(address);
    const before = this.#told.map(addressText).toSorted().join();
    this.#told = shuffled(connectUrls.flatMap(readable));
    return this.#told.map(addressText).toSorted().join() !== before;
  }
}

/** Longest first wait; each further round waits twice as long. */
const firstWaitMs = 50;

/** How long to wait before round `round` (0 is the first after a loss): between half and the whole of what grows. */
export function waitBefore(round: number, longestMs: number): number {
  const whole = Math.min(longestMs, firstWaitMs * 2 ** Math.min(round, 20));
  return round === 0 ? Math.random() * whole : whole * (0.5 + Math.random() / 2);
}

function readable(text: string): NatsAddress[] {
  try {
    return [parseAddress(text).address];
  } catch {
    return [];
  }
}

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, place: Math.random() }))
    .toSorted((a, b) => a.place - b.place)
    .map(({ item }) => item);
}
