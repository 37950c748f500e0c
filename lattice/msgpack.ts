import { Packr, Unpackr } from "msgpackr";
import { describe, fail, failFrom } from "./errors.ts";
import { checkMsgpack, defaultMsgpackLimits } from "./msgpack-shape.ts";
import type { MsgpackLimits } from "./msgpack-shape.ts";

/**
 * MessagePack as the lattice speaks it: plain values only, structures as maps with text keys, the
 * smallest form of each length, 64-bit integers kept exact.
 * Source: waPC and actors reference, section 11.
 */
export type MsgpackValue =
  | null
  | undefined
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly MsgpackValue[]
  | { readonly [key: string]: MsgpackValue };

const packr = new Packr({ useRecords: false, variableMapSize: true });
// "auto" gives a number where it is exact and a bigint elsewhere; msgpackr has it but its types forgot it.
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: "auto" as "bigint" });

/**
 * Encodes a value; the bytes are the caller's. Members that are undefined are left out, undefined in
 * an array is nil. Integers beyond 32 bits, which msgpackr would write as floats that Rust guests
 * refuse, are written as 64-bit integers.
 * @throws LatticeError PAYLOAD_MALFORMED when nested more than 64 deep or holding what MessagePack cannot say.
 */
export function pack(value: MsgpackValue, what = "a message"): Uint8Array {
  try {
    // Copied out of the packer's pool, which no message should drag along to another thread.
    return new Uint8Array(packr.pack(exact(value, 0, what)));
  } catch (error) {
    if (error instanceof RangeError) throw failFrom(error, "PAYLOAD_MALFORMED", what, describe(error));
    throw error;
  }
}

/**
 * Decodes one value. Checked before anything is built, see `MsgpackLimits`; one byte after the value
 * is tolerated, since AssemblyScript guests add one. Byte strings are views of `bytes`: copy what
 * you keep. Integers beyond 2^53 are bigint. Keys of maps become text.
 * @throws LatticeError PAYLOAD_MALFORMED, naming `what`.
 */
export function unpack(bytes: Uint8Array, what: string, limits?: MsgpackLimits): unknown {
  const { end, problem } = checkMsgpack(bytes, limits);
  if (end === undefined) throw fail("PAYLOAD_MALFORMED", what, problem);
  if (bytes.length - end > 1) throw fail("PAYLOAD_MALFORMED", what, `${bytes.length - end} bytes follow the value`);
  try {
    // A view of its own also keeps msgpackr from hanging its caches on the caller's array.
    return unpackr.unpack(bytes.subarray(0, end)) as unknown;
  } catch (error) {
    throw failFrom(error, "PAYLOAD_MALFORMED", what, describe(error));
  }
}

/** The same value with big integers as bigint; copies only what has to change. */
function exact(value: MsgpackValue, depth: number, what: string): MsgpackValue {
  if (typeof value === "number")
    return Number.isInteger(value) && (value > 0xffff_ffff || value < -0x8000_0000) ? asInteger(value) : value;
  if (typeof value === "function" || typeof value === "symbol") throw notPlain(what);
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  if (depth >= defaultMsgpackLimits.maxDepth)
    throw fail("PAYLOAD_MALFORMED", what, `it is nested more than ${defaultMsgpackLimits.maxDepth} deep`);
  if (isList(value)) {
    if (value.every((item) => item !== undefined && exact(item, depth + 1, what) === item)) return value;
    return value.map((item) => exact(item ?? null, depth + 1, what));
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) throw notPlain(what);
  const members = Object.entries(value);
  if (members.every(([, item]) => item !== undefined && exact(item, depth + 1, what) === item)) return value;
  const kept = members.filter(([, item]) => item !== undefined);
  return Object.fromEntries(kept.map(([key, item]) => [key, exact(item, depth + 1, what)]));
}

function notPlain(what: string): Error {
  return fail("PAYLOAD_MALFORMED", what, "it holds what is neither plain nor bytes");
}

function isList(value: object): value is readonly MsgpackValue[] {
  return Array.isArray(value);
}

/** Floats beyond 64 bits stay floats: no integer field can take them. */
function asInteger(value: number): number | bigint {
  return value >= -(2 ** 63) && value < 2 ** 64 ? BigInt(value) : value;
}
