import { fail } from "../../lattice/index.ts";

/** Bounds of what clients may send. */
const mostBytes = 1024 * 1024;
const mostChars = 65_536;
const mostEntries = 1_000;

/**
 * A request of a 0.x client: JSON of which only what is needed is read, since clients of different years
 * send different members. Errors name the member, never its content.
 */
export class ControlRequest {
  readonly #what: string;
  readonly #fields: Readonly<Record<string, unknown>>;

  /** @throws LatticeError REQUEST_INVALID when the payload is no JSON object. */
  constructor(what: string, payload: Uint8Array) {
    this.#what = what;
    if (payload.length > mostBytes) throw fail("REQUEST_INVALID", what, `it has more than ${mostBytes} bytes`);
    let value: unknown;
    try {
      value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload));
    } catch {
      throw fail("REQUEST_INVALID", what, "the body is not JSON");
    }
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw fail("REQUEST_INVALID", what, "the body is not a JSON object");
    this.#fields = value as Record<string, unknown>;
  }

  has(name: string): boolean {
    return this.#fields[name] !== undefined && this.#fields[name] !== null;
  }

  /** @throws LatticeError REQUEST_INVALID when it is missing, empty or no text. */
  text(name: string): string {
    const value = this.#fields[name];
    if (typeof value !== "string" || value === "" || value.length > mostChars)
      throw this.#wrong(name, "a text that is not empty");
    return value;
  }

  textOr<T>(name: string, otherwise: T): string | T {
    return this.has(name) && this.#fields[name] !== "" ? this.text(name) : otherwise;
  }

  wholeNumberOr<T>(name: string, most: number, otherwise: T): number | T {
    if (!this.has(name)) return otherwise;
    const value = this.#fields[name];
    if (!Number.isInteger(value) || (value as number) < 0 || (value as number) > most)
      throw this.#wrong(name, `a whole number from 0 to ${most}`);
    return value as number;
  }

  /** Texts by name; absent is none. */
  texts(name: string): Readonly<Record<string, string>> {
    if (!this.has(name)) return {};
    const value = this.#fields[name];
    const fits =
      typeof value === "object" &&
      !Array.isArray(value) &&
      Object.keys(value as object).length <= mostEntries &&
      Object.values(value as object).every((each) => typeof each === "string" && each.length <= mostChars);
    if (!fits) throw this.#wrong(name, "an object of texts");
    return value as Record<string, string>;
  }

  entries(): readonly (readonly [string, unknown])[] {
    return Object.entries(this.#fields);
  }

  #wrong(name: string, wanted: string) {
    return fail("REQUEST_INVALID", this.#what, `${name} must be ${wanted}`);
  }
}
