import { isUtf8 } from "node:buffer";
import { unknownField } from "./fields.ts";
import type { Fields } from "./fields.ts";
import { Malformed } from "./malformed.ts";
import { extensionHeads, isBin, isExtension, isNumber, isText, scalarSize } from "./msgpack-markers.ts";
import { latin1Slice, utf8Slice } from "./raw-buffer.ts";

const none = new Uint8Array(0);
const maxDepth = 64;

type Slice = (bytes: Uint8Array, start: number, end: number) => string;

/**
 * Reads MessagePack as tolerantly as the guests of five eras need: a struct may be a map or an
 * array, bytes may be `bin`, `str` or an array of integers, unknown fields are skipped, missing ones
 * keep the reader's default, trailing bytes are ignored. Every length is checked against the bytes
 * that are there, so a lying header costs nothing. Source: waPC and actors reference, section 4.
 *
 * A struct is read in one loop:
 * ```ts
 * const count = reader.struct(), keyed = reader.keyed;
 * for (let i = 0; i < count; i++)
 *   switch (keyed ? reader.field(fields) : i) { case 0: key = reader.text(); break; default: reader.skip(); }
 * ```
 * @throws Malformed from every method when the bytes end early or have the wrong form.
 */
export class MsgpackReader {
  #bytes: Uint8Array = none;
  #at = 0;
  #end = 0;
  /** Whether the struct just opened is a map. Copy it before reading on. */
  keyed = false;

  /** Starts on a payload. A leading `c1`, which marks MessagePack in some E4 texts, is passed over. */
  open(bytes: Uint8Array): this {
    this.#bytes = bytes;
    this.#end = bytes.length;
    this.#at = bytes.length > 0 && bytes[0] === 0xc1 ? 1 : 0;
    return this;
  }

  /** Lets go of the payload, which may lie in guest memory. */
  close(): void {
    this.#bytes = none;
    this.#end = 0;
  }

  /** Bytes not read yet. */
  get left(): number {
    return this.#end - this.#at;
  }

  /** First byte of the next value; -1 at the end. */
  peek(): number {
    return this.#at < this.#end ? this.#bytes[this.#at]! : -1;
  }

  /** Whether an array comes next. */
  atArray(): boolean {
    const first = this.peek();
    return (first & 0xf0) === 0x90 || first === 0xdc || first === 0xdd;
  }

  /** Whether a map comes next. */
  atMap(): boolean {
    const first = this.peek();
    return (first & 0xf0) === 0x80 || first === 0xde || first === 0xdf;
  }

  /** Opens a struct and tells how many fields follow; nil and an empty payload have none. */
  struct(): number {
    this.keyed = this.atMap();
    if (this.keyed) return this.map();
    if (this.left === 0) return 0;
    if (this.peek() === 0xc0) {
      this.#at++;
      return 0;
    }
    return this.array();
  }

  /** The index of the next key in `fields`; other keys, of whatever type, are `unknownField`. */
  field(fields: Fields): number {
    const first = this.peek();
    if (!isText(first)) {
      this.skip();
      return unknownField;
    }
    const length = this.#length();
    const start = this.#take(length);
    return fields.match(this.#bytes, start, length);
  }

  map(): number {
    const first = this.#byte();
    const size =
      (first & 0xf0) === 0x80
        ? first & 0x0f
        : first === 0xde
          ? this.#uint(2)
          : first === 0xdf
            ? this.#uint(4)
            : wrong("a map", first);
    if (size * 2 > this.#end - this.#at) throw new Malformed("it ends inside a map");
    return size;
  }

  array(): number {
    const first = this.#byte();
    const size =
      (first & 0xf0) === 0x90
        ? first & 0x0f
        : first === 0xdc
          ? this.#uint(2)
          : first === 0xdd
            ? this.#uint(4)
            : wrong("an array", first);
    if (size > this.#end - this.#at) throw new Malformed("it ends inside an array");
    return size;
  }

  /** Text from `str`, `bin`, an array of integers or a number; nil is empty. Invalid UTF-8 becomes U+FFFD. */
  text(): string {
    return this.#text(utf8Slice);
  }

  /** As `text`, one character per byte: what an HTTP head carries. */
  textLatin1(): string {
    return this.#text(latin1Slice);
  }

  /**
   * Text, or the bytes where they are not UTF-8: the one form of a value that compares as equal
   * whichever way it was sent. The bytes are a copy.
   */
  textOrBytes(): string | Uint8Array {
    if (isText(this.peek()) || this.atNumber()) return this.text();
    const bytes = this.bytes();
    return isUtf8(bytes) ? utf8Slice(bytes, 0, bytes.length) : new Uint8Array(bytes);
  }

  /** Texts from an array of them; one text alone is a list of one, nil is empty. */
  texts(): string[] {
    if (isText(this.peek())) return [this.text()];
    const size = this.struct();
    if (this.keyed) throw new Malformed("a map where a list of texts belongs");
    const texts: string[] = [];
    for (let i = 0; i < size; i++) texts.push(this.text());
    return texts;
  }

  /** Bytes from `bin`, `str` or an array of integers; nil is empty. A view over the payload where possible. */
  bytes(): Uint8Array {
    const first = this.peek();
    if (isText(first) || isBin(first)) {
      const length = this.#length();
      const start = this.#take(length);
      return this.#bytes.subarray(start, start + length);
    }
    if (first === 0xc0) {
      this.#at++;
      return none;
    }
    return this.#byteArray();
  }

  /** Whether a number comes next. */
  atNumber(): boolean {
    return isNumber(this.peek());
  }

  /** Any number form, as a number: integers beyond 2^53 lose their last digits, fractions are cut off. */
  int(): number {
    const first = this.#byte();
    if (first <= 0x7f) return first;
    if (first >= 0xe0) return first - 0x100;
    switch (first) {
      case 0xc0:
      case 0xc2:
        return 0;
      case 0xc3:
        return 1;
      case 0xca:
      case 0xcb:
        return this.#float(first === 0xca ? 4 : 8);
      case 0xcc:
        return this.#uint(1);
      case 0xcd:
        return this.#uint(2);
      case 0xce:
        return this.#uint(4);
      case 0xcf:
        return this.#uint(4) * 2 ** 32 + this.#uint(4);
      case 0xd0:
        return (this.#uint(1) << 24) >> 24;
      case 0xd1:
        return (this.#uint(2) << 16) >> 16;
      case 0xd2:
        return this.#uint(4) | 0;
      case 0xd3:
        return (this.#uint(4) | 0) * 2 ** 32 + this.#uint(4);
      default:
        return wrong("a number", first);
    }
  }

  bool(): boolean {
    return this.int() !== 0;
  }

  /** Passes over one value of any type, nested 64 deep at most. */
  skip(depth = 0): void {
    if (depth > maxDepth) throw new Malformed("it is nested too deep");
    const first = this.peek();
    if (isText(first) || isBin(first)) this.#take(this.#length());
    else if (this.atMap()) {
      for (let left = this.map() * 2; left > 0; left--) this.skip(depth + 1);
    } else if (this.atArray()) {
      for (let left = this.array(); left > 0; left--) this.skip(depth + 1);
    } else {
      this.#byte();
      this.#take(isExtension(first) ? 1 + this.#uint(extensionHeads[first - 0xc7]!) : scalarSize(first));
    }
  }

  #text(slice: Slice): string {
    const first = this.peek();
    if (isText(first) || isBin(first)) {
      const length = this.#length();
      const start = this.#take(length);
      return length === 0 ? "" : slice(this.#bytes, start, start + length);
    }
    if (isNumber(first)) return String(this.int());
    const bytes = this.bytes();
    return slice(bytes, 0, bytes.length);
  }

  #float(size: 4 | 8): number {
    const start = this.#take(size);
    const view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset + start, size);
    const value = size === 4 ? view.getFloat32(0) : view.getFloat64(0);
    return Number.isFinite(value) ? Math.trunc(value) : 0;
  }

  #byteArray(): Uint8Array {
    const size = this.array();
    const bytes = new Uint8Array(size);
    for (let i = 0; i < size; i++) {
      const value = this.int();
      if (value < -128 || value > 255) throw new Malformed(`${value} where a byte belongs`);
      bytes[i] = value;
    }
    return bytes;
  }

  /** Length of the text or binary whose header is next; call it only when `isText` or `isBin` said so. */
  #length(): number {
    const first = this.#byte();
    if (first <= 0xbf) return first & 0x1f;
    return this.#uint(first === 0xc4 || first === 0xd9 ? 1 : first === 0xc5 || first === 0xda ? 2 : 4);
  }

  #byte(): number {
    if (this.#at >= this.#end) throw new Malformed("it ends early");
    return this.#bytes[this.#at++]!;
  }

  #uint(size: 1 | 2 | 4): number {
    const start = this.#take(size);
    let value = 0;
    for (let i = 0; i < size; i++) value = value * 256 + this.#bytes[start + i]!;
    return value;
  }

  /** Passes over `size` bytes and tells where they began. */
  #take(size: number): number {
    const start = this.#at;
    if (size > this.#end - start) throw new Malformed("it ends early");
    this.#at = start + size;
    return start;
  }
}

function wrong(wanted: string, first: number): never {
  throw new Malformed(`byte 0x${first.toString(16)} where ${wanted} belongs`);
}

/** The reader of this thread, for payloads read without a break. */
export const reader: MsgpackReader = new MsgpackReader();
