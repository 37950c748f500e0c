import { StateStore } from "./state-store.ts";

/** A swap that the last process of this host did not end, and who stood behind the links when it was cut off. */
export interface InterruptedSwap {
  readonly id: string;
  readonly contractId: string;
  readonly linkName: string;
  readonly from: string;
  readonly to: string;
  /** Nothing between: calls go to the old one until the step in which they go to the new one. */
  readonly stands: "old" | "new";
  /** Of a swap between two hosts: the other one, and which of the two providers is there. */
  readonly elsewhere?: { readonly host: string; readonly side: "old" | "new" };
}

const version = 1;

/**
 * What is on the disk of the swaps under way, for a host that comes back under the same key. It is
 * written before a swap begins and again with the switch, so that a process that is killed at any
 * moment has left one of two states, and the next one says which.
 */
export class SwapJournal {
  readonly #store: StateStore;
  readonly #name: string;
  readonly #open: Map<string, InterruptedSwap>;

  private constructor(store: StateStore, name: string) {
    this.#store = store;
    this.#name = name;
    this.#open = new Map();
  }

  /** Also answers what the last process left, and forgets it. */
  static async open(
    folder: string,
    hostId: string,
    warn: (text: string) => void,
  ): Promise<{ journal: SwapJournal; interrupted: readonly InterruptedSwap[] }> {
    const store = await StateStore.open(folder, warn);
    const name = `swaps-${hostId}`;
    const interrupted = (await store.read(name, version, readSwaps)) ?? [];
    const journal = new SwapJournal(store, name);
    if (interrupted.length > 0) await journal.#write();
    return { journal, interrupted };
  }

  /** Resolves when it is on the disk. */
  async note(swap: InterruptedSwap): Promise<void> {
    this.#open.set(swap.id, swap);
    await this.#write();
  }

  async close(id: string): Promise<void> {
    if (this.#open.delete(id)) await this.#write();
  }

  #write(): Promise<void> {
    return this.#open.size === 0
      ? this.#store.remove(this.#name)
      : this.#store.write(this.#name, version, [...this.#open.values()]);
  }
}

function readSwaps(value: unknown): readonly InterruptedSwap[] {
  if (!Array.isArray(value) || !value.every(isSwap)) throw new Error("it holds no swaps");
  return value;
}

function isSwap(value: unknown): value is InterruptedSwap {
  if (typeof value !== "object" || value === null) return false;
  const { stands, elsewhere, ...texts } = value as Record<string, unknown>;
  const named = ["id", "contractId", "linkName", "from", "to"].every((name) => typeof texts[name] === "string");
  const { host, side } = (elsewhere ?? { host: "", side: "old" }) as Record<string, unknown>;
  return named && isSide(stands) && typeof host === "string" && isSide(side);
}

function isSide(value: unknown): value is "old" | "new" {
  return value === "old" || value === "new";
}
