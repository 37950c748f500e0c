import { isUtf8 } from "node:buffer";
import type { Value } from "./store.ts";

/** A value as a store keeps it: bytes, of which the UTF-8 ones are text. */
export function valueOf(bytes: Uint8Array): Value {
  return isUtf8(bytes) ? textOf(bytes) : bytes;
}

export function bytesOf(value: Value): Uint8Array {
  return typeof value === "string" ? Buffer.from(value) : value;
}

export function textOf(bytes: Uint8Array): string {
  const { buffer, byteOffset, byteLength } = bytes;
  return (Buffer.isBuffer(bytes) ? bytes : Buffer.from(buffer, byteOffset, byteLength)).toString();
}
