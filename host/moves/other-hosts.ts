/** The other hosts of the lattice, as a swap with one of them needs them. */
export interface OtherHosts {
  /**
   * Asks a verb of another host.
   * @throws LatticeError what it throws there; HOST_ABSENT when nobody answers to that key, RPC_TIMEOUT.
   */
  ask(host: string, verb: string, params: object, timeoutMs?: number): Promise<Readonly<Record<string, unknown>>>;
  /** Those that are here now. */
  peers(): readonly { readonly host: string; readonly name: string; readonly draining: boolean }[];
  /** Bytes that one answer or question can carry beside what surrounds them. */
  readonly pieceBytes: number;
}

/** Who serves after a swap between two hosts: for one that was cut off, or a host that was away meanwhile. */
export type Verdict = "old" | "new" | "open" | "unknown";

/** Swaps whose end is remembered for the other host. */
const mostVerdicts = 100;

/** How the swaps with other hosts ended in which this one took part. */
export class Verdicts {
  readonly #held = new Map<string, Verdict>();

  get(id: string): Verdict {
    return this.#held.get(id) ?? "unknown";
  }

  set(id: string, verdict: Verdict): void {
    this.#held.delete(id);
    this.#held.set(id, verdict);
    for (const oldest of this.#held.keys()) {
      if (this.#held.size <= mostVerdicts) return;
      this.#held.delete(oldest);
    }
  }
}
