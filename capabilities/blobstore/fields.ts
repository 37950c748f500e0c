import { Malformed } from "../codec/malformed.ts";
import { nameProblem } from "./store.ts";

type Members = Readonly<Record<string, unknown>>;

/** The members of a request's structure, each checked as it is taken; any of several spellings. @throws Malformed */
export class Taken {
  readonly #members: Members;

  constructor(value: unknown) {
    if (typeof value !== "object" || value === null || Array.isArray(value) || value instanceof Uint8Array)
      throw new Malformed("it holds no structure");
    this.#members = value as Members;
  }

  /** A name of a container or an object. */
  name(...spellings: readonly string[]): string {
    return checkedName(this.#member(spellings), spellings[0]!);
  }

  text(...spellings: readonly string[]): string | undefined {
    const value = this.#member(spellings);
    if (value === undefined || typeof value === "string") return value;
    throw new Malformed(`${spellings[0]} is no text`);
  }

  /** A whole number up to 2^53. */
  count(...spellings: readonly string[]): number | undefined {
    const value = this.#member(spellings);
    if (value === undefined || (Number.isSafeInteger(value) && (value as number) >= 0))
      return value as number | undefined;
    throw new Malformed(`${spellings[0]} is no count`);
  }

  flag(...spellings: readonly string[]): boolean {
    return this.#member(spellings) === true;
  }

  bytes(...spellings: readonly string[]): Uint8Array {
    const value = this.#member(spellings) ?? new Uint8Array(0);
    if (value instanceof Uint8Array) return value;
    if (Array.isArray(value)) return Uint8Array.from(value as number[]);
    throw new Malformed(`${spellings[0]} is no bytes`);
  }

  names(...spellings: readonly string[]): string[] {
    return checkedNames(this.#member(spellings), spellings[0]!);
  }

  inner(...spellings: readonly string[]): Taken {
    return new Taken(this.#member(spellings));
  }

  has(name: string): boolean {
    return this.#member([name]) !== undefined;
  }

  #member(spellings: readonly string[]): unknown {
    for (const name of spellings) if (Object.hasOwn(this.#members, name)) return this.#members[name] ?? undefined;
    return undefined;
  }
}

/** @throws Malformed */
export function checkedName(value: unknown, what: string): string {
  if (typeof value !== "string") throw new Malformed(`${what} is no text`);
  const problem = nameProblem(value);
  if (problem !== undefined) throw new Malformed(`${what}: ${problem}`);
  return value;
}

/** @throws Malformed */
export function checkedNames(value: unknown, what: string): string[] {
  if (!Array.isArray(value)) throw new Malformed(`${what} is no list`);
  return value.map((each) => checkedName(each, what));
}
