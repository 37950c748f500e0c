import { fail } from "../lattice/index.ts";

/** Most labels of one host beside its own, and characters of a key and of a value. */
const mostLabels = 64;
const mostKey = 253;
const mostValue = 1_024;

/**
 * The labels of one host: its own (`hostcore.`), which nobody changes, and the user's.
 * Source: lattice protocol reference, section 8.
 */
export class Labels {
  #all: Readonly<Record<string, string>>;
  readonly #onChange: () => void;

  constructor(all: Readonly<Record<string, string>>, onChange: () => void) {
    this.#all = Object.freeze({ ...all });
    this.#onChange = onChange;
  }

  get all(): Readonly<Record<string, string>> {
    return this.#all;
  }

  /** @throws LatticeError OPTION_OUT_OF_RANGE for a reserved or over-long key, a long value, or one too many. */
  put(key: string, value: string): void {
    checkKey(key);
    if (value.length > mostValue) outOfRange(key, value.length, `a text of at most ${mostValue} characters`);
    const next = { ...this.#all, [key]: value };
    const count = Object.keys(next).filter((each) => !each.startsWith("hostcore.")).length;
    if (count > mostLabels) outOfRange(key, `label number ${count}`, `at most ${mostLabels} labels`);
    this.#set(next);
  }

  /** An absent one stays absent. @throws LatticeError OPTION_OUT_OF_RANGE for a reserved key. */
  delete(key: string): void {
    checkKey(key);
    const { [key]: _gone, ...rest } = this.#all;
    this.#set(rest);
  }

  /** Whether every pair of `constraints` is a label. */
  satisfy(constraints: Readonly<Record<string, string>>): boolean {
    return Object.entries(constraints).every(
      ([key, value]) => Object.hasOwn(this.#all, key) && this.#all[key] === value,
    );
  }

  #set(next: Readonly<Record<string, string>>): void {
    this.#all = Object.freeze(next);
    this.#onChange();
  }
}

function checkKey(key: string): void {
  if (key === "" || key.length > mostKey) outOfRange(key.slice(0, 40), "", `a key of 1 to ${mostKey} characters`);
  if (key.startsWith("hostcore.")) outOfRange(key, "", "left to the host: hostcore. is reserved");
}

function outOfRange(key: string, value: unknown, range: string): never {
  throw fail("OPTION_OUT_OF_RANGE", `labels.${key}`, value, range);
}
