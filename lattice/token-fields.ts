import { fail } from "./errors.ts";

/**
 * Typed reading of a token's JSON. A member of the wrong type is an error, never guessed at;
 * absent and null are the same; members nobody asks for are ignored.
 * @throws LatticeError TOKEN_MALFORMED from every method, naming the member.
 */
export class Fields {
  readonly #object: Readonly<Record<string, unknown>>;
  readonly #of: string;

  constructor(object: Readonly<Record<string, unknown>>, of: string) {
    this.#object = object;
    this.#of = of;
  }

  has(name: string): boolean {
    return this.#get(name) !== undefined;
  }

  text(name: string): string {
    const value = this.optionalText(name);
    if (value === undefined) throw this.#wrong(name, "text");
    return value;
  }

  optionalText(name: string): string | undefined {
    const value = this.#get(name);
    if (value === undefined || typeof value === "string") return value;
    throw this.#wrong(name, "text");
  }

  /** Text that people read: control characters, which could drive a terminal, become spaces. */
  optionalLabel(name: string): string | undefined {
    return label(this.optionalText(name));
  }

  optionalLabels(name: string): readonly string[] {
    return this.texts(name).map((text) => label(text)!);
  }

  /** A list of text; absent is empty. */
  texts(name: string): readonly string[] {
    const value = this.#get(name) ?? [];
    if (Array.isArray(value) && value.every((item): item is string => typeof item === "string")) return value;
    throw this.#wrong(name, "a list of text");
  }

  seconds(name: string): number {
    const value = this.optionalSeconds(name);
    if (value === undefined) throw this.#wrong(name, "a time in seconds");
    return value;
  }

  optionalSeconds(name: string): number | undefined {
    const value = this.optionalInteger(name);
    if (value === undefined || value >= 0) return value;
    throw this.#wrong(name, "a time in seconds");
  }

  /** An exact integer of either sign. */
  optionalInteger(name: string): number | undefined {
    const value = this.#get(name);
    if (value === undefined) return undefined;
    if (typeof value === "number" && Number.isSafeInteger(value)) return value;
    throw this.#wrong(name, "an integer");
  }

  /** Absent is false. */
  flag(name: string): boolean {
    const value = this.#get(name) ?? false;
    if (typeof value === "boolean") return value;
    throw this.#wrong(name, "true or false");
  }

  optionalObject(name: string): Fields | undefined {
    const value = this.#get(name);
    if (value === undefined) return undefined;
    if (typeof value === "object" && value !== null && !Array.isArray(value))
      return new Fields(value as Record<string, unknown>, this.#of);
    throw this.#wrong(name, "an object");
  }

  /** A map of text to text; absent is empty. */
  textMap(name: string): ReadonlyMap<string, string> {
    const object = this.optionalObject(name);
    const entries =
      object === undefined ? [] : Object.keys(object.#object).map((key) => [key, object.text(key)] as const);
    return new Map(entries);
  }

  /** Whatever JSON stands there; undefined when absent or null. */
  json(name: string): unknown {
    return this.#get(name);
  }

  #get(name: string): unknown {
    return Object.hasOwn(this.#object, name) ? (this.#object[name] ?? undefined) : undefined;
  }

  #wrong(name: string, wanted: string): Error {
    return fail("TOKEN_MALFORMED", this.#of, `${name} is not ${wanted}`);
  }
}

/** Control characters and the marks that turn the direction of text. */
const controls = /\p{Cc}|\p{Bidi_Control}/gu;

function label(text: string | undefined): string | undefined {
  return text?.replaceAll(controls, " ");
}
