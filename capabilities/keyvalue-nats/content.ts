import type { Value } from "../keyvalue/store.ts";
import { bytesOf, valueOf } from "../keyvalue/values.ts";

/** What a key holds. Each change makes a new one. */
export type Content = {
  /** Milliseconds since 1970; 0 = never. */
  readonly expiresAt: number;
} & (
  | { readonly kind: "value"; readonly value: Value }
  | { readonly kind: "list" | "set"; readonly items: readonly string[] }
);

/** Begins what is no plain value; no UTF-8 text begins so. */
const mark = Buffer.from([0xff, 0x6b, 0x76, 0x01]);
const kinds = ["value", "list", "set"] as const;
const headBytes = mark.length + 1 + 8;

/**
 * A value without expiry as it is, so that other programs read and write it too. Everything else has a
 * head: the mark, the kind, the time of expiry (8 bytes, a float); then the value, or the items as JSON.
 */
export function encodeContent(content: Content): Uint8Array {
  const body = content.kind === "value" ? bytesOf(content.value) : Buffer.from(JSON.stringify(content.items));
  if (content.kind === "value" && content.expiresAt === 0 && !marked(body)) return body;
  const whole = Buffer.allocUnsafe(headBytes + body.length);
  whole.set(mark);
  whole[mark.length] = kinds.indexOf(content.kind);
  whole.writeDoubleBE(content.expiresAt, mark.length + 1);
  whole.set(body, headBytes);
  return whole;
}

/** What cannot be read is somebody's value. */
export function decodeContent(bytes: Uint8Array): Content {
  const kind = marked(bytes) && bytes.length >= headBytes ? kinds[bytes[mark.length] ?? -1] : undefined;
  if (kind === undefined) return { kind: "value", value: valueOf(bytes), expiresAt: 0 };
  const expiresAt = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).readDoubleBE(mark.length + 1);
  const body = bytes.subarray(headBytes);
  if (kind === "value") return { kind, value: valueOf(body), expiresAt };
  return { kind, items: JSON.parse(Buffer.from(body).toString()) as string[], expiresAt };
}

function marked(bytes: Uint8Array): boolean {
  return mark.every((byte, at) => bytes[at] === byte);
}
