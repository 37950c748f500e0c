import { isUtf8 } from "node:buffer";

/** What JSON can say. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

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

/** A decoded MessagePack value as JSON: bytes as in `jsonOfBytes`, integers beyond 2^53 as text. */
export function jsonOfValue(value: unknown): Json {
  if (value instanceof Uint8Array) return jsonOfBytes(value);
  if (typeof value === "bigint") return value.toString();
  if (Array.isArray(value)) return value.map(jsonOfValue);
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, jsonOfValue(each)]));
  }
  return typeof value === "boolean" || typeof value === "string" || Number.isFinite(value)
    ? (value as boolean | string | number)
    : null;
}
