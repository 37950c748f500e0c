import { ByteSink } from "./byte-sink.ts";
import { Malformed } from "./malformed.ts";
import { utf8Slice } from "./raw-buffer.ts";

/**
 * The part of Protocol Buffers 3 that guests of era E0 speak: varints and length-delimited fields.
 * Fields at their default are left out, as prost does. Source: waPC and actors reference, section 11.
 */
export class ProtobufWriter extends ByteSink {
  /** int32, int64, uint32, uint64, bool or enum; a negative number takes ten bytes. */
  number(field: number, value: number): void {
    if (value === 0) return;
    this.#varint(field << 3);
    this.#varint(value);
  }

  /** A number of a `oneof`: written even when it is 0, since its presence tells which one is meant. */
  oneof(field: number, value: number): void {
    this.#varint(field << 3);
    this.#varint(value);
  }

  text(field: number, value: string): void {
    if (value !== "") this.#delimited(field, Buffer.from(value));
  }

  bytes(field: number, value: Uint8Array): void {
    if (value.length > 0) this.#delimited(field, value);
  }

  /** Every text of a repeated field, empty ones too. */
  texts(field: number, values: readonly string[]): void {
    for (const value of values) this.#delimited(field, Buffer.from(value));
  }

  /** A nested message, present even when empty. */
  message(field: number, write: (out: this) => void): void {
    this.#varint((field << 3) | 2);
    const start = this.mark;
    write(this);
    const inner = this.taken(start);
    this.#varint(inner.length);
    this.raw(inner);
  }

  #varint(value: number): void {
    this.reserve(10);
    let rest = BigInt.asUintN(64, BigInt(value));
    while (rest > 0x7fn) {
      this.block[this.at++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.block[this.at++] = Number(rest);
  }

  #delimited(field: number, value: Uint8Array): void {
    this.#varint((field << 3) | 2);
    this.#varint(value.length);
    this.raw(value);
  }
}

const none = new Uint8Array(0);

/**
 * Reads a message field by field: `next` gives the field number, 0 at the end, and the value is
 * there until the next `next`. Unknown fields pass by; fixed32 and fixed64 are passed over.
 * @throws Malformed from `next` when the bytes end early or a group begins.
 */
export class ProtobufReader {
  readonly #bytes: Uint8Array;
  #at = 0;
  #number = 0;
  #value: Uint8Array = none;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  next(): number {
    while (this.#at < this.#bytes.length) {
      const tag = this.#varint();
      const field = Math.floor(tag / 8);
      this.#number = 0;
      this.#value = none;
      switch (tag % 8) {
        case 0:
          this.#number = this.#varint();
          return field;
        case 2:
          this.#value = this.#take(this.#varint());
          return field;
        case 1:
          this.#take(8);
          break;
        case 5:
          this.#take(4);
          break;
        default:
          throw new Malformed(`wire type ${tag % 8} is not read`);
      }
    }
    return 0;
  }

  /** A varint value; 64-bit ones beyond 2^53 lose their last digits. */
  number(): number {
    return this.#number;
  }

  /** The same value as int32: the low 32 bits with their sign. */
  int32(): number {
    return this.#number | 0;
  }

  bool(): boolean {
    return this.#number !== 0;
  }

  text(): string {
    return utf8Slice(this.#value, 0, this.#value.length);
  }

  /** A view over the message. */
  bytes(): Uint8Array {
    return this.#value;
  }

  #take(size: number): Uint8Array {
    if (size > this.#bytes.length - this.#at) throw new Malformed("it ends early");
    this.#at += size;
    return this.#bytes.subarray(this.#at - size, this.#at);
  }

  #varint(): number {
    let low = 0;
    let high = 0;
    for (let i = 0; i < 10; i++) {
      if (this.#at >= this.#bytes.length) throw new Malformed("it ends early");
      const byte = this.#bytes[this.#at++]!;
      const bits = byte & 0x7f;
      if (i < 4) low |= bits << (7 * i);
      else if (i === 4) {
        low |= (bits & 0x0f) << 28;
        high = bits >> 4;
      } else if (i < 9) high |= bits << (7 * i - 32);
      else high |= (bits & 1) << 31;
      if (byte < 0x80) return (high | 0) < 0 ? (high | 0) * 2 ** 32 + (low >>> 0) : high * 2 ** 32 + (low >>> 0);
    }
    throw new Malformed("a number has more than ten bytes");
  }
}

/** The protobuf writer of this thread. */
export const protobuf: ProtobufWriter = new ProtobufWriter();
