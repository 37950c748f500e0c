import { isUtf8 } from "node:buffer";
import { Malformed } from "./malformed.ts";
import type { MsgpackReader } from "./msgpack-reader.ts";
import type { MsgpackWriter } from "./msgpack-writer.ts";

const maxDepth = 64;

/** What JSON can say. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** Writes a value of JSON; whole numbers as integers, others as float64. For calls typed by hand, not for hot paths. */
export function writeJson(out: MsgpackWriter, value: unknown, depth = 0): void {
  if (depth > maxDepth) throw new Malformed("it is nested too deep");
  if (value === null || value === undefined) out.nil();
  else if (typeof value === "boolean") out.bool(value);
  else if (typeof value === "number") {
    if (Number.isSafeInteger(value)) out.wideInt(value);
    else out.float(value);
  } else if (typeof value === "string") out.text(value);
  else if (value instanceof Uint8Array) out.bin(value);
  else if (Array.isArray(value)) {
    out.array(value.length);
    for (const each of value) writeJson(out, each, depth + 1);
  } else if (typeof value === "object") {
    const entries = Object.entries(value);
    out.map(entries.length);
    for (const [key, each] of entries) {
      out.text(key);
      writeJson(out, each, depth + 1);
    }
  } else throw new Malformed(`${typeof value} is no JSON`);
}

/**
 * Reads any value as JSON: bytes as text where they are UTF-8, else as `{"base64": "..."}`; keys of
 * maps as text; integers beyond 2^53 lose their last digits; extension values as `{"base64"}`.
 * @throws Malformed
 */
export function readJson(from: MsgpackReader, depth = 0): Json {
  if (depth > maxDepth) throw new Malformed("it is nested too deep");
  if (from.atMap()) {
    // Built from entries, so that a key `__proto__` is a key like others.
    const entries: [string, Json][] = [];
    for (let left = from.map(); left > 0; left--)
      entries.push([keyOf(readJson(from, depth + 1)), readJson(from, depth + 1)]);
    return Object.fromEntries(entries);
  }
  if (from.atArray()) {
    const items: Json[] = [];
    for (let left = from.array(); left > 0; left--) items.push(readJson(from, depth + 1));
    return items;
  }
  const first = from.peek();
  if (first === 0xc0) {
    from.skip();
    return null;
  }
  if (first === 0xc2 || first === 0xc3) return from.bool();
  if (from.atNumber()) return from.number();
  if (from.atExtension()) {
    from.skip();
    return null;
  }
  return jsonOfBytes(from.bytes());
}

function keyOf(key: Json): string {
  return typeof key === "string" ? key : JSON.stringify(key);
}

/** Bytes as JSON: text where they are UTF-8, else `{"base64": "..."}`. */
export function jsonOfBytes(bytes: Uint8Array): Json {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return isUtf8(view) ? view.toString("utf8") : { base64: view.toString("base64") };
}

/** Bytes from JSON: the UTF-8 of a text, a list of integers, or `{"base64": "..."}`; anything else as its JSON text. */
export function bytesOfJson(value: unknown): Uint8Array {
  if (value === undefined || value === null) return new Uint8Array(0);
  if (typeof value === "string") return Buffer.from(value);
  if (Array.isArray(value) && value.every((each) => Number.isInteger(each) && each >= 0 && each <= 255)) {
    return Uint8Array.from(value as number[]);
  }
  const { base64 } = value as { base64?: unknown };
  return typeof base64 === "string" ? Buffer.from(base64, "base64") : Buffer.from(JSON.stringify(value));
}
