import { describe, fail, isLatticeError, type State, type StateWatch } from "../lattice/index.ts";
import { namesInLattice } from "./secrets.ts";

/** Entries as the lattice keeps them, by name; those that it does not hold are left out. */
export type SealedEntries = Readonly<Record<string, Uint8Array>>;

/**
 * The lattice's bucket of sealed secrets, as one host follows it. Entries stay sealed here: an engine opens those
 * of its own links. The bucket is not touched before a link of this host refers to it.
 */
export class SecretBucket {
  readonly #onChange: () => void;
  readonly #warn: (text: string) => void;
  readonly #entries = new Map<string, Uint8Array>();
  #state: State | undefined;
  #watch: Promise<StateWatch | undefined> | undefined;
  #isTold = false;

  /** `onChange` is told after an entry came, changed or went. */
  constructor(onChange: () => void, warn: (text: string) => void) {
    this.#onChange = onChange;
    this.#warn = warn;
  }

  join(state: State): void {
    this.#state = state;
  }

  /**
   * What the values refer to, as it stands now; undefined when they refer to nothing in the lattice, or there is none.
   * While the servers are away, what was seen last.
   * @throws LatticeError STATE_UNAVAILABLE when one was not seen yet.
   */
  async entriesFor(values: Readonly<Record<string, string>>): Promise<SealedEntries | undefined> {
    const names = namesInLattice(values);
    const state = this.#state;
    if (names.length === 0 || !state) return undefined;
    await this.#follow(state);
    const entries: Record<string, Uint8Array> = {};
    for (const name of names) {
      // What was put a moment ago may not have been told yet.
      const entry = this.#entries.get(name) ?? (await get(state, name));
      if (entry) entries[name] = entry;
    }
    return entries;
  }

  stop(): void {
    void this.#watch?.then((watch) => watch?.stop());
    this.#state = undefined;
  }

  async #follow(state: State): Promise<void> {
    const begun = (this.#watch ??= this.#begin(state));
    // Again with the next link that needs it.
    if ((await begun) === undefined && this.#watch === begun) this.#watch = undefined;
  }

  async #begin(state: State): Promise<StateWatch | undefined> {
    try {
      return await state.watch(">", (change) => {
        if (change.kind === "put") this.#entries.set(change.key, change.value);
        else this.#entries.delete(change.key);
        this.#onChange();
      });
    } catch (error) {
      // It is tried again with each look, which is often.
      if (!this.#isTold) this.#warn(`the secrets of the lattice are not followed yet: ${describe(error)}`);
      this.#isTold = true;
      return undefined;
    }
  }
}

/** A name that cannot be one is not there. */
async function get(state: State, name: string): Promise<Uint8Array | undefined> {
  try {
    return (await state.get(name))?.value;
  } catch (error) {
    if (isLatticeError(error) && error.code === "STATE_KEY_INVALID") return undefined;
    throw isLatticeError(error) && error.kind === "unavailable"
      ? error
      : fail("SECRET_UNAVAILABLE", `nats:${name} cannot be read`);
  }
}
