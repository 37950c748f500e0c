import { fail } from "../lattice/index.ts";
import { didYouMean } from "./nearest-name.ts";

/** One parameter: reads a value or says, as the end of a sentence, what it must be. */
export interface Field<T> {
  readonly required: boolean;
  /** What the value must be, for messages. */
  readonly wanted: string;
  /** `undefined` when the value does not fit. */
  read(value: unknown): T | undefined;
}

/** The values that a table of fields yields. */
export type Shape<F extends Record<string, Field<unknown>>> = {
  readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never;
};

/** The same field, that may be left out. */
export function optional<T>(of: Field<T>): Field<T | undefined> {
  return { ...of, required: false };
}

export function text(bounds: { min?: number; max?: number } = {}): Field<string> {
  const { min = 1, max = 65_536 } = bounds;
  return field(`a text of ${min} to ${max} characters`, (value) =>
    typeof value === "string" && value.length >= min && value.length <= max ? value : undefined,
  );
}

/** A whole number; digits as text are taken too, since a query string has nothing else. */
export function wholeNumber(min: number, max: number): Field<number> {
  return field(`a whole number from ${min} to ${max}`, (value) => {
    const number = typeof value === "string" && /^-?\d{1,15}$/.test(value) ? Number(value) : value;
    return Number.isInteger(number) && (number as number) >= min && (number as number) <= max
      ? (number as number)
      : undefined;
  });
}

/** True or false, also as text. */
export function flag(): Field<boolean> {
  return field("true or false", (value) => {
    if (value === true || value === "true" || value === "") return true;
    return value === false || value === "false" ? false : undefined;
  });
}

export function oneOf<const T extends string>(...names: readonly T[]): Field<T> {
  return field(`one of ${names.join(", ")}`, (value) => names.find((name) => name === value));
}

/** An object of texts: labels, annotations, link values, configuration. */
export function textMap(bounds: { entries?: number; bytes?: number } = {}): Field<Readonly<Record<string, string>>> {
  const { entries: most = 256, bytes: largest = 65_536 } = bounds;
  return field(`an object of at most ${most} texts, ${largest} bytes in all`, (value) => {
    if (!isObject(value)) return undefined;
    const entries = Object.entries(value);
    if (entries.length > most || entries.some(([, each]) => typeof each !== "string")) return undefined;
    const size = entries.reduce(
      (sum, [key, each]) => sum + Buffer.byteLength(key) + Buffer.byteLength(String(each)),
      0,
    );
    return size <= largest ? (value as Record<string, string>) : undefined;
  });
}

/** An object of numbers, for limits; which names and ranges is for `compileLimits` to say. */
export function numberMap(): Field<Readonly<Record<string, number>>> {
  return field("an object of numbers", (value) =>
    isObject(value) && Object.values(value).every((each) => typeof each === "number")
      ? (value as Record<string, number>)
      : undefined,
  );
}

/** Bytes as base64 text. */
export function bytes(max: number): Field<Uint8Array> {
  return field(`at most ${max} bytes as base64`, (value) => {
    if (typeof value !== "string" || value.length % 4 !== 0 || value.length > Math.ceil(max / 3) * 4) return undefined;
    const read = Buffer.from(value, "base64");
    return read.length <= max && read.length === base64Length(value) && isBase64(value)
      ? new Uint8Array(read)
      : undefined;
  });
}

/** Anything that JSON can say. */
export function json(): Field<unknown> {
  return field("a JSON value", (value) => value);
}

export function listOf<T>(of: Field<T>, most = 1_000): Field<readonly T[]> {
  return field(`a list of at most ${most}, each ${of.wanted}`, (value) => {
    if (!Array.isArray(value) || value.length > most) return undefined;
    const read = value.map((each) => of.read(each));
    return read.includes(undefined) ? undefined : (read as T[]);
  });
}

/**
 * Reads `params` against a table of fields; names that the table lacks are problems too.
 * @throws LatticeError REQUEST_INVALID naming every problem at once.
 */
export function checkParameters<F extends Record<string, Field<unknown>>>(
  verb: string,
  fields: F,
  params: unknown,
): Shape<F> {
  const given = params ?? {};
  if (!isObject(given)) throw fail("REQUEST_INVALID", verb, "parameters are an object");
  const problems: string[] = [];
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(fields, name))
      problems.push(`no parameter ${shown(name)}${didYouMean(name, Object.keys(fields))}`);
  }
  const values: Record<string, unknown> = {};
  for (const [name, each] of Object.entries(fields)) {
    const value = Object.hasOwn(given, name) ? given[name] : undefined;
    if (value === undefined || (value === null && !each.required)) {
      if (each.required) problems.push(`${name} is missing, it must be ${each.wanted}`);
      continue;
    }
    values[name] = each.read(value);
    if (values[name] === undefined) problems.push(`${name} must be ${each.wanted}`);
  }
  if (problems.length > 0) throw fail("REQUEST_INVALID", verb, problems.join("; "));
  return values as Shape<F>;
}

function field<T>(wanted: string, read: (value: unknown) => T | undefined): Field<T> {
  return { required: true, wanted, read };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const shown = (name: string): string => (name.length > 64 ? `${name.slice(0, 64)}...` : name);

const base64Length = (value: string): number => (value.length / 4) * 3 - (/=*$/.exec(value)?.[0].length ?? 0);

/** Buffer skips what is not base64; length alone then differs, except for letters of base64url. */
const isBase64 = (value: string): boolean => !value.includes("-") && !value.includes("_");
