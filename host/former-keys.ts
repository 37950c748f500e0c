import type { NamedProvider } from "./engine-messages.ts";

/** Keys that are remembered at most; the oldest is forgotten first. */
const mostKeys = 1_000;

/** A provider of this host that was swapped for one with another key, and that key. */
export type FormerKey = NamedProvider & { readonly now: string };

/**
 * Keys under which providers of this host were called before they were swapped for others: who has
 * not heard of it yet, or asked a moment before, means the one that runs now.
 */
export class FormerKeys {
  readonly #held = new Map<string, FormerKey>();

  /** The key of now; `key` itself when nothing was swapped. */
  now({ key, linkName }: NamedProvider): string {
    return this.#held.get(`${key} ${linkName}`)?.now ?? key;
  }

  /** `from` was swapped for one with the key `now`, which is nobody's former key any more. */
  renamed(from: NamedProvider, now: string): void {
    const { key, linkName } = from;
    this.forget({ key: now, linkName });
    if (key === now) return;
    for (const [name, held] of this.#held)
      if (held.linkName === linkName && held.now === key) this.#held.set(name, { ...held, now });
    this.#held.set(`${key} ${linkName}`, { key, linkName, now });
    for (const oldest of this.#held.keys()) {
      if (this.#held.size <= mostKeys) return;
      this.#held.delete(oldest);
    }
  }

  /** A provider of that key runs here again. */
  forget({ key, linkName }: NamedProvider): void {
    this.#held.delete(`${key} ${linkName}`);
  }

  all(): readonly FormerKey[] {
    return [...this.#held.values()];
  }
}
