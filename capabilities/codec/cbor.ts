import { isUtf8 } from "node:buffer";
import { Malformed } from "./malformed.ts";

/** What the interfaces of 2021 to 2023 write with CBOR (RFC 8949): no maps, no floats, no tags. */
export type CborValue = null | boolean | number | bigint | string | Uint8Array | readonly CborValue[];

const deepest = 16;

/** Encodes with definite lengths, each the shortest. */
export function encodeCbor(value: CborValue, prefix: readonly number[] = []): Uint8Array {
  const parts: Uint8Array[] = [Uint8Array.from(prefix)];
  write(value, parts);
  return Buffer.concat(parts);
}

function write(value: CborValue, parts: Uint8Array[]): void {
  if (value === null) parts.push(Uint8Array.of(0xf6));
  else if (typeof value === "boolean") parts.push(Uint8Array.of(value ? 0xf5 : 0xf4));
  else if (typeof value === "number" || typeof value === "bigint") {
    const whole = BigInt(value);
    parts.push(whole < 0n ? head(1, -1n - whole) : head(0, whole));
  } else if (typeof value === "string") {
    const text = Buffer.from(value);
    parts.push(head(3, BigInt(text.length)), text);
  } else if (value instanceof Uint8Array) parts.push(head(2, BigInt(value.length)), value);
  else {
    parts.push(head(4, BigInt(value.length)));
    for (const each of value) write(each, parts);
  }
}

function head(major: number, count: bigint): Uint8Array {
  const size = count < 24n ? 0 : count < 0x100n ? 1 : count < 0x1_0000n ? 2 : count < 0x1_0000_0000n ? 4 : 8;
  const bytes = new Uint8Array(1 + size);
  const code = size === 0 ? Number(count) : 24 + Math.log2(size);
  bytes[0] = (major << 5) | code;
  for (let i = size; i > 0; i--) {
    bytes[i] = Number(count & 0xffn);
    count >>= 8n;
  }
  return bytes;
}

/**
 * Decodes one value; byte strings are views of `bytes`. Integers beyond 2^53 are bigint, undefined is null.
 * @throws Malformed when bytes are missing or follow, or for what the type above does not name.
 */
export function decodeCbor(bytes: Uint8Array): CborValue {
  const reader = new CborReader(bytes);
  const value = reader.value(0);
  if (reader.at < bytes.length) throw new Malformed(`${bytes.length - reader.at} bytes follow the value`);
  return value;
}

class CborReader {
  at = 0;
  readonly #bytes: Buffer;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  value(depth: number): CborValue {
    if (depth > deepest) throw new Malformed(`it is nested more than ${deepest} deep`);
    const first = this.#take(1)[0]!;
    const major = first >> 5;
    if (major === 7) return simple(first & 31);
    const count = this.#count(first & 31);
    switch (major) {
      case 0:
        return exact(count);
      case 1:
        return exact(-1n - count);
      case 2:
        return this.#take(Number(count));
      case 3: {
        const text = this.#take(Number(count));
        if (!isUtf8(text)) throw new Malformed("a text is not UTF-8");
        return text.toString("utf8");
      }
      case 4: {
        // Each item has a byte at least.
        if (count > this.#bytes.length - this.at) throw new Malformed("an array is longer than its bytes");
        return Array.from({ length: Number(count) }, () => this.value(depth + 1));
      }
      default:
        throw new Malformed(`it holds CBOR of major type ${major}`);
    }
  }

  #count(code: number): bigint {
    if (code < 24) return BigInt(code);
    if (code > 27) throw new Malformed("it holds CBOR of indefinite length");
    let count = 0n;
    for (const byte of this.#take(1 << (code - 24))) count = (count << 8n) | BigInt(byte);
    return count;
  }

  #take(length: number): Buffer {
    if (length > this.#bytes.length - this.at) throw new Malformed("it is cut short");
    return this.#bytes.subarray(this.at, (this.at += length));
  }
}

function simple(code: number): CborValue {
  if (code === 20 || code === 21) return code === 21;
  if (code === 22 || code === 23) return null;
  throw new Malformed(`it holds CBOR's simple value ${code}`);
}

function exact(value: bigint): number | bigint {
  return value >= -(2n ** 53n) && value <= 2n ** 53n ? Number(value) : value;
}
