import type { LatticeError } from "../../lattice/index.ts";
import type { Declarations } from "./declarations.ts";
import { isValueType, refusedType } from "./types.ts";

/**
 * Reads what follows opcodes in a function body. Methods take the place in the module; those that
 * answer a value leave the place behind it in `next`, the others answer it. A number that reaches
 * beyond the body reads what lies there, and the walker then finds itself beyond the end.
 */
export class CodeReader {
  /** Where the last number ended. */
  next = 0;
  readonly #bytes: Uint8Array;
  readonly #declarations: Declarations;
  /** Of the function that is read: its index among those with a body, and where it ends. */
  #index = 0;
  #end = 0;

  constructor(declarations: Declarations) {
    this.#declarations = declarations;
    this.#bytes = declarations.bytes;
  }

  begin(index: number, end: number): void {
    this.#index = index;
    this.#end = end;
  }

  /** Reads LEB128 of at most 32 bits without sign. */
  u32(at: number): number {
    const bytes = this.#bytes;
    let next = at;
    let byte = bytes[next++]!;
    let value = byte & 0x7f;
    for (let shift = 7; byte >= 0x80; shift += 7) {
      byte = bytes[next++]!;
      if (shift === 28 && !(byte <= 0x0f)) throw this.malformed("a number is too long", at);
      value |= (byte & 0x7f) << shift;
    }
    if (next > this.#end) throw this.malformed("it ends too early", at);
    this.next = next;
    return value >>> 0;
  }

  /** A count of items of at least one byte each. */
  count(pos: number, at: number): number {
    const count = this.u32(pos);
    if (count > this.#end - this.next) throw this.malformed("it counts more than it holds", at);
    return count;
  }

  skipUnsigned(at: number): number {
    return this.skipSigned(at, 5);
  }

  skipSigned(at: number, most: number): number {
    const bytes = this.#bytes;
    let next = at;
    while (bytes[next++]! >= 0x80) if (next - at === most) throw this.malformed("a number is too long", at);
    return next;
  }

  /** Alignment and offset. A bit in the alignment announces a memory index. */
  memoryArgument(at: number): number {
    const bytes = this.#bytes;
    const align = bytes[at]!;
    if ((align & 0x40) !== 0) throw this.#declarations.refused("multi-memory", this.where());
    if (align < 0x80 && bytes[at + 1]! < 0x80) return at + 2;
    return this.skipUnsigned(this.skipUnsigned(at));
  }

  memoryIndex(at: number): number {
    if (this.#bytes[at] !== 0) throw this.#declarations.refused("multi-memory", this.where());
    return at + 1;
  }

  valueType(code: number): void {
    if (!isValueType(code)) throw this.#declarations.refused(refusedType(code), this.where());
  }

  blockType(at: number): number {
    const bytes = this.#bytes;
    const byte = bytes[at]!;
    if (byte === 0x40 || isValueType(byte)) return at + 1;
    if (byte > 0x40 && byte < 0x80) this.valueType(byte);
    const index = this.u32(at);
    const positive = bytes[this.next - 1]! < 0x40;
    if (!positive || index >= this.#declarations.types.length) throw this.malformed("a block has no type", at);
    return this.next;
  }

  where(): string {
    return this.#declarations.functionName(this.#index)();
  }

  instruction(opcode: number, code: number): string {
    return `${hex(opcode)}${opcode > 0xfa && opcode < 0xff ? ` ${hex(code)}` : ""} in ${this.where()}`;
  }

  malformed(why: string, at: number): LatticeError {
    return this.#declarations.malformed(`${why} in ${this.where()} at byte ${at}`);
  }
}

const hex = (value: number) => `0x${value.toString(16).padStart(2, "0")}`;
