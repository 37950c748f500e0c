import { fail } from "./errors.ts";

/** Bounds of what a client may send in one message. */
const limits = { bytes: 1_048_576, depth: 64, text: 65_536, entries: 1_024 };

export type Texts = Readonly<Record<string, string>>;

/**
 * Tolerant reading of JSON that others send: members nobody asks for are passed over, null is absent,
 * what is asked for has its type or is an error that names the member, never its content.
 * @throws LatticeError REQUEST_INVALID from every method, naming `of`.
 */
export class JsonFields {
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #of: string;

  constructor(value: unknown, of: string) {
    if (!isObject(value)) throw fail("REQUEST_INVALID", of, "it is no JSON object");
    this.#fields = value;
    this.#of = of;
  }

  /** Parses a message. Text nested deeper than any client means is refused before it is parsed. */
  static parse(payload: Uint8Array, of: string): JsonFields {
    if (payload.length > limits.bytes) throw fail("REQUEST_INVALID", of, `it has more than ${limits.bytes} bytes`);
    if (!isShallow(payload)) throw fail("REQUEST_INVALID", of, `it is nested more than ${limits.depth} deep`);
    let value: unknown;
    try {
      value = JSON.parse(utf8.decode(payload));
    } catch {
      throw fail("REQUEST_INVALID", of, "it is no JSON");
    }
    return new JsonFields(value, of);
  }

  has(name: string): boolean {
    return this.#get(name) !== undefined;
  }

  /** Text that is not empty. */
  text(name: string): string {
    const value = this.optionalText(name);
    if (value === undefined || value === "") throw this.wrong(name, "a text that is not empty");
    return value;
  }

  optionalText(name: string): string | undefined {
    const value = this.#get(name);
    if (value === undefined) return undefined;
    if (typeof value !== "string" || value.length > limits.text)
      throw this.wrong(name, `a text of at most ${limits.text} characters`);
    return value;
  }

  /** An empty text counts as absent, as clients of some years have it. */
  textOr<T>(name: string, otherwise: T): string | T {
    return this.optionalText(name) || otherwise;
  }

  wholeNumberOr<T>(name: string, most: number, otherwise: T): number | T {
    const value = this.#get(name);
    if (value === undefined) return otherwise;
    if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > most)
      throw this.wrong(name, `a whole number from 0 to ${most}`);
    return value;
  }

  flag(name: string): boolean {
    const value = this.#get(name);
    if (typeof value !== "boolean") throw this.wrong(name, "true or false");
    return value;
  }

  /** A list of objects; absent is empty. */
  objects(name: string): readonly JsonFields[] {
    return this.#list(name).map((each, index) => new JsonFields(each, `${this.#of}, ${name}[${index}]`));
  }

  /** A list of text; absent is empty. */
  listOfText(name: string): readonly string[] {
    const list = this.#list(name);
    if (!list.every((each): each is string => typeof each === "string")) throw this.wrong(name, "a list of text");
    return list;
  }

  /** An object of texts; absent is empty. */
  texts(name: string): Texts {
    const entries = this.#entries(name);
    if (!entries.every((entry): entry is [string, string] => typeof entry[1] === "string"))
      throw this.wrong(name, "an object of texts");
    return Object.fromEntries(entries);
  }

  /** An object of objects, by name; absent is empty. */
  members(name: string): readonly (readonly [string, JsonFields])[] {
    return this.#entries(name).map(([key, value]) => [key, new JsonFields(value, `${this.#of}, ${name}`)] as const);
  }

  /** All members, when their names say something, too. */
  all(): readonly (readonly [string, JsonFields])[] {
    return Object.entries(this.#fields).map(
      ([key, value]) => [key, new JsonFields(value, `${this.#of}, ${key}`)] as const,
    );
  }

  wrong(name: string, wanted: string): Error {
    return fail("REQUEST_INVALID", this.#of, `${name} must be ${wanted}`);
  }

  #entries(name: string): [string, unknown][] {
    const value = this.#get(name) ?? {};
    if (!isObject(value)) throw this.wrong(name, "an object");
    const entries = Object.entries(value);
    if (entries.length > limits.entries) throw this.wrong(name, `an object of at most ${limits.entries} members`);
    return entries;
  }

  #list(name: string): readonly unknown[] {
    const value = this.#get(name) ?? [];
    if (!Array.isArray(value) || value.length > limits.entries)
      throw this.wrong(name, `a list of at most ${limits.entries}`);
    return value as readonly unknown[];
  }

  #get(name: string): unknown {
    return Object.hasOwn(this.#fields, name) ? (this.#fields[name] ?? undefined) : undefined;
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Counts brackets outside of text, so that no parser has to go as deep as a hostile message asks. */
function isShallow(payload: Uint8Array): boolean {
  let depth = 0;
  let inText = false;
  for (let at = 0; at < payload.length; at++) {
    const byte = payload[at];
    if (inText) {
      if (byte === 0x5c) at++;
      else if (byte === 0x22) inText = false;
    } else if (byte === 0x22) inText = true;
    else if (byte === 0x5b || byte === 0x7b) {
      if (++depth > limits.depth) return false;
    } else if (byte === 0x5d || byte === 0x7d) depth--;
  }
  return true;
}
