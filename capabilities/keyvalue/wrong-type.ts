import { type LatticeError, fail } from "../../lattice/index.ts";

/** What a key may hold, and text that cannot be counted. */
export type Held = "value" | "list" | "set" | "text that is no whole number";

/** What a store was doing when a key held something else; the same words whatever the store. */
export type Attempt =
  | "get"
  | "increment"
  | "add to list"
  | "remove from list"
  | "read list"
  | "add to set"
  | "remove from set"
  | "read set";

export function wrongType(attempt: Attempt, key: string, holds: Held): LatticeError {
  return fail("WRONG_TYPE", attempt, key, holds);
}

const wholeNumber = /^(?:0|-?[1-9]\d{0,18})$/;

/**
 * The number that counting comes to.
 * @throws LatticeError WRONG_TYPE when the key holds no whole number, COUNTER_OVERFLOW beyond 32 bits with sign.
 */
export function counted(key: string, text: string | Uint8Array | undefined, by: number): number {
  if (text !== undefined && (typeof text !== "string" || !wholeNumber.test(text))) {
    throw wrongType("increment", key, "text that is no whole number");
  }
  const sum = Number(text ?? 0) + by;
  if (!inRange(sum)) throw fail("COUNTER_OVERFLOW", "increment", key);
  return sum;
}

/** 32 bits with sign: what every era can be told. */
export function inRange(count: number): boolean {
  return count === (count | 0);
}

/** Items from `start` to `stop` of a list, both counted in; negative ones count from the end. */
export function rangeOf<T>(list: readonly T[], start: number, stop: number): T[] {
  const from = start < 0 ? Math.max(0, list.length + start) : start;
  const to = stop < 0 ? list.length + stop : stop;
  return to < from ? [] : list.slice(from, to + 1);
}
