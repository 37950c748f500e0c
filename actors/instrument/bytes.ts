import { fail } from "../../lattice/index.ts";
import type { LatticeError } from "../../lattice/index.ts";

/** Reads module bytes in order; every step is bounded by `end`. Used outside function bodies. */
export class ByteReader {
  readonly bytes: Uint8Array;
  /** The module's name in error texts. */
  readonly file: string;
  at: number;
  end: number;

  constructor(bytes: Uint8Array, file: string, at = 0, end = bytes.length) {
    this.bytes = bytes;
    this.file = file;
    this.at = at;
    this.end = end;
  }

  malformed(why: string): LatticeError {
    return fail("MODULE_MALFORMED", this.file, `${why} at byte ${this.at}`);
  }

  byte(): number {
    if (this.at >= this.end) throw this.malformed("it ends too early");
    return this.bytes[this.at++]!;
  }

  peek(): number {
    if (this.at >= this.end) throw this.malformed("it ends too early");
    return this.bytes[this.at]!;
  }

  /** LEB128 without sign, at most 32 bits in at most five bytes. */
  u32(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const next = this.byte();
      if (shift === 28 && next > 0x0f) throw this.malformed("a number is too long");
      value |= (next & 0x7f) << shift;
      if (next < 0x80) return value >>> 0;
    }
  }

  /** Steps over a signed LEB128 of at most `most` bytes; the engine checks its value later. */
  skipSigned(most: 5 | 10): void {
    for (let count = 1; this.byte() >= 0x80; count++) {
      if (count === most) throw this.malformed("a number is too long");
    }
  }

  skip(length: number): void {
    if (length > this.end - this.at) throw this.malformed("a length reaches beyond the end");
    this.at += length;
  }

  /**
   * A vector's count, refused when the rest cannot hold that many items of `smallest` bytes.
   * @throws LatticeError MODULE_MALFORMED, MODULE_LIMIT above `most`.
   */
  count(what: string, smallest = 1, most = Infinity): number {
    const count = this.u32();
    if (count * smallest > this.end - this.at) throw this.malformed(`it counts ${count} ${what}, beyond its bytes,`);
    if (count > most) throw fail("MODULE_LIMIT", this.file, `${count} ${what}, more than ${most}`);
    return count;
  }

  text(): string {
    const length = this.u32();
    const start = this.at;
    this.skip(length);
    try {
      return utf8.decode(this.bytes.subarray(start, this.at));
    } catch {
      throw this.malformed("a name is not UTF-8");
    }
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** Bytes that grow at the end, in one buffer, up to `most` bytes. */
export class ByteWriter {
  bytes: Uint8Array;
  length = 0;
  readonly #most: number;
  readonly #file: string;

  /** @throws LatticeError MODULE_LIMIT (from any method) when more than `most` bytes are written. */
  constructor(capacity: number, most: number, file: string) {
    this.bytes = new Uint8Array(Math.min(capacity, most));
    this.#most = most;
    this.#file = file;
  }

  reserve(more: number): void {
    if (this.length + more > this.bytes.length) this.#grow(more);
  }

  #grow(more: number): void {
    const needed = this.length + more;
    if (needed > this.#most) throw fail("MODULE_LIMIT", this.#file, `more than ${this.#most} bytes once it is metered`);
    const larger = new Uint8Array(Math.min(this.#most, Math.max(needed, this.bytes.length * 2)));
    larger.set(this.bytes.subarray(0, this.length));
    this.bytes = larger;
  }

  byte(value: number): void {
    if (this.length === this.bytes.length) this.#grow(1);
    this.bytes[this.length++] = value;
  }

  u32(value: number): void {
    this.reserve(5);
    const bytes = this.bytes;
    let at = this.length;
    let rest = value;
    while (rest > 0x7f) {
      bytes[at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    bytes[at++] = rest;
    this.length = at;
  }

  /** A number in `width` bytes, however small it is. */
  padded(value: number, width: number): void {
    this.reserve(width);
    this.length += width;
    this.overwrite(this.length - width, value, width);
  }

  /** Room for a number that `patch` writes later, five bytes long. */
  gap(): number {
    this.reserve(5);
    this.length += 5;
    return this.length - 5;
  }

  patch(at: number, value: number): void {
    this.overwrite(at, value, 5);
  }

  /** Writes a number in `width` bytes over what is at `at`. */
  overwrite(at: number, value: number, width: number): void {
    const { bytes } = this;
    const last = at + width - 1;
    let rest = value;
    for (let index = at; index < last; index++) {
      bytes[index] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    bytes[last] = rest;
  }

  /** Copies `source[from..to)`. Short pieces by hand: a view costs more than they do. */
  copy(source: Uint8Array, from: number, to: number): void {
    const count = to - from;
    this.reserve(count);
    const bytes = this.bytes;
    let at = this.length;
    if (count > 96) bytes.set(source.subarray(from, to), at);
    else for (let index = from; index < to; index++) bytes[at++] = source[index]!;
    this.length += count;
  }

  all(source: Uint8Array | readonly number[]): void {
    this.reserve(source.length);
    this.bytes.set(source, this.length);
    this.length += source.length;
  }

  text(value: string): void {
    const encoded = encoder.encode(value);
    this.u32(encoded.length);
    this.all(encoded);
  }

  /** Opens a section; give what it returns to `close`. */
  open(id: number): number {
    this.byte(id);
    return this.gap();
  }

  close(section: number): void {
    this.patch(section, this.length - section - 5);
  }

  done(): Uint8Array {
    return this.bytes.slice(0, this.length);
  }
}
