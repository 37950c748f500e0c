import { Malformed } from "./malformed.ts";

/** What the first byte of a value says of it. Source: the MessagePack specification. */
export function isText(first: number): boolean {
  return (first & 0xe0) === 0xa0 || first === 0xd9 || first === 0xda || first === 0xdb;
}

export function isBin(first: number): boolean {
  return first === 0xc4 || first === 0xc5 || first === 0xc6;
}

export function isNumber(first: number): boolean {
  return first <= 0x7f || first >= 0xe0 || (first >= 0xca && first <= 0xd3);
}

/** Bytes of length after `c7`, `c8` and `c9`. */
export const extensionHeads = [1, 2, 4] as const;

export function isExtension(first: number): boolean {
  return first >= 0xc7 && first <= 0xc9;
}

/** Bytes after the marker of a value of fixed size. */
export function scalarSize(first: number): number {
  if (first <= 0x7f || first >= 0xe0 || first === 0xc0 || first === 0xc2 || first === 0xc3) return 0;
  if (first >= 0xcc && first <= 0xcf) return 1 << (first - 0xcc);
  if (first >= 0xd0 && first <= 0xd3) return 1 << (first - 0xd0);
  if (first === 0xca) return 4;
  if (first === 0xcb) return 8;
  if (first >= 0xd4 && first <= 0xd8) return 1 + (1 << (first - 0xd4));
  throw new Malformed(`byte 0x${first.toString(16)} begins no value`);
}
