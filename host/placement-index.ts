import type { PlacementRow } from "./tables.ts";

/** Placements by a name that several may share, each list in the order in which they were started. */
export class PlacementIndex {
  readonly #rows = new Map<string, readonly PlacementRow[]>();

  get(name: string): readonly PlacementRow[] {
    return this.#rows.get(name) ?? [];
  }

  /** Those that are first of their name. */
  *firsts(): Generator<[name: string, first: PlacementRow]> {
    for (const [name, [first]] of this.#rows) if (first) yield [name, first];
  }

  add(name: string, row: PlacementRow): void {
    this.#rows.set(
      name,
      [...this.get(name), row].toSorted((a, b) => a.spec.since - b.spec.since),
    );
  }

  delete(name: string, row: PlacementRow): void {
    const left = this.get(name).filter((each) => each !== row);
    if (left.length > 0) this.#rows.set(name, left);
    else this.#rows.delete(name);
  }
}
