import { checkMsgpack } from "../msgpack-shape.ts";
import type { MsgpackLimits } from "../msgpack-shape.ts";

/** Values that nobody asks for are walked, not built; a wire message has few. */
const skipLimits: MsgpackLimits = { maxDepth: 32, maxContainers: 10_000, maxValues: 100_000 };

/** Why reading ended. Whoever reads turns it into the error of its message. */
export class MsgpackProblem extends Error {}

/**
 * Reads MessagePack by hand, for messages that are read per call: no value is built that the reader
 * did not ask for, lengths are checked before they are believed. As fast as the general unpacker, whose
 * result would still have to be checked.
 * @throws MsgpackProblem from every method.
 */
export class MsgpackReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** Entries of the map that comes. */
  map(what: string): number {
    const first = this.#next();
    if (first >= 0x80 && first < 0x90) return first & 0x0f;
    if (first === 0xde) return this.#size(2);
    if (first === 0xdf) return this.#size(4);
    throw new MsgpackProblem(`${what} is not a map`);
  }

  /** Passes over nil; false, and nothing is read, when another value comes. */
  nil(): boolean {
    if (this.#bytes[this.#at] !== 0xc0) return false;
    this.#at++;
    return true;
  }

  /** Text of at most `max` bytes without control characters, which could drive a terminal or end a line. */
  text(what: string, max: number): string {
    const text = this.anyText(what, max);
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code < 0x20 || (code >= 0x7f && code < 0xa0)) throw new MsgpackProblem(`${what} has control characters`);
    }
    return text;
  }

  /** Text of at most `max` bytes of which every character will be looked at anyway. */
  anyText(what: string, max: number): string {
    const length = this.#textLength(what);
    if (length > max) throw new MsgpackProblem(`${what} has more than ${max} bytes`);
    const start = this.#take(length, what);
    return this.#bytes.toString("utf8", start, this.#at);
  }

  /** Text of which anything is wanted, also line breaks; what is over `max` bytes is cut off. */
  longText(what: string, max: number): string {
    const length = this.#textLength(what);
    const start = this.#take(length, what);
    return this.#bytes.toString("utf8", start, Math.min(this.#at, start + max));
  }

  /** Bytes as such (a view of the message), or as an array of numbers as old SDKs write them. */
  bytes(what: string): Uint8Array {
    const first = this.#next();
    if (first === 0xc4) return this.#view(this.#size(1), what);
    if (first === 0xc5) return this.#view(this.#size(2), what);
    if (first === 0xc6) return this.#view(this.#size(4), what);
    let length: number;
    if (first >= 0x90 && first < 0xa0) length = first & 0x0f;
    else if (first === 0xdc) length = this.#size(2);
    else if (first === 0xdd) length = this.#size(4);
    else throw new MsgpackProblem(`${what} is neither bytes nor a list of numbers`);
    if (length > this.#bytes.length - this.#at) throw new MsgpackProblem(`${what} is cut short`);
    const bytes = new Uint8Array(length);
    for (let index = 0; index < length; index++) {
      const value = this.uint(what);
      if (value > 0xff) throw new MsgpackProblem(`${what} holds a number over 255`);
      bytes[index] = value;
    }
    return bytes;
  }

  /** A whole number, not negative and exact. */
  uint(what: string): number {
    const first = this.#next();
    if (first < 0x80) return first;
    if (first >= 0xcc && first <= 0xcf) {
      const value = this.#size(2 ** (first - 0xcc));
      if (Number.isSafeInteger(value)) return value;
    }
    throw new MsgpackProblem(`${what} is not a whole number in range`);
  }

  /** Passes over the value that comes, whatever it is. */
  skip(): void {
    const { end, problem } = checkMsgpack(this.#bytes.subarray(this.#at), skipLimits);
    if (end === undefined) throw new MsgpackProblem(problem);
    this.#at += end;
  }

  /** One byte after the value is tolerated, since AssemblyScript guests add one. */
  end(): void {
    const rest = this.#bytes.length - this.#at;
    if (rest > 1) throw new MsgpackProblem(`${rest} bytes follow the value`);
  }

  #textLength(what: string): number {
    const first = this.#next();
    if (first >= 0xa0 && first < 0xc0) return first & 0x1f;
    if (first >= 0xd9 && first <= 0xdb) return this.#size(2 ** (first - 0xd9));
    throw new MsgpackProblem(`${what} is not text`);
  }

  #next(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw new MsgpackProblem("it is cut short");
    return byte;
  }

  #size(width: number): number {
    const start = this.#take(width, "it");
    let value = 0;
    for (let at = start; at < this.#at; at++) value = value * 256 + this.#bytes[at]!;
    return value;
  }

  #view(length: number, what: string): Uint8Array {
    const start = this.#take(length, what);
    return this.#bytes.subarray(start, this.#at);
  }

  /** Moves over `length` bytes and gives where they began. */
  #take(length: number, what: string): number {
    const start = this.#at;
    if (length > this.#bytes.length - start) throw new MsgpackProblem(`${what} is cut short`);
    this.#at = start + length;
    return start;
  }
}
