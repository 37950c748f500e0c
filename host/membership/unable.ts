import { isLatticeError } from "../../lattice/index.ts";

/** The machine or the host as it was started lacks something: the next start would end the same way. */
const lasting: ReadonlySet<string> = new Set(["ARCHIVE_TARGET_ABSENT", "PRECONDITION"]);

/** References that are kept; of more the oldest are forgotten. */
const mostKept = 1_000;

/** Provider references of which a start has shown that this host cannot run them. */
export class Unable {
  readonly #why = new Map<string, string>();

  /** A start ended so. */
  note(reference: string, error: unknown): void {
    if (!isLatticeError(error) || !lasting.has(error.code)) return;
    this.#why.delete(reference);
    this.#why.set(reference, error.message);
    const [oldest] = this.#why.keys();
    if (this.#why.size > mostKept && oldest !== undefined) this.#why.delete(oldest);
  }

  /** It runs after all: behind its reference is another archive. */
  forget(reference: string): void {
    this.#why.delete(reference);
  }

  why(reference: string): string | undefined {
    return this.#why.get(reference);
  }
}
