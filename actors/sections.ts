import { fail } from "../lattice/index.ts";

/**
 * Reads the outer structure of a WebAssembly file: preamble and sections, strict and bounded.
 * Hash, signing, era detection and inspection stand on it. Nothing is copied and no length from the
 * file is believed before it was compared with the bytes that are there.
 */

/** One section. All offsets are absolute in the file. */
export interface Section {
  readonly id: number;
  /** Where the id byte lies. */
  readonly start: number;
  /** First byte after the length. */
  readonly bodyStart: number;
  /** First byte after the section. */
  readonly end: number;
  /** Of a custom section (id 0) its name, else "". */
  readonly name: string;
  /** First byte of the content: after the name in a custom section, else `bodyStart`. */
  readonly contentStart: number;
}

export interface WasmFile {
  readonly kind: "module" | "component";
  readonly sections: readonly Section[];
}

export const sectionId = {
  custom: 0,
  type: 1,
  import: 2,
  function: 3,
  table: 4,
  memory: 5,
  global: 6,
  export: 7,
  start: 8,
  element: 9,
  code: 10,
  data: 11,
  dataCount: 12,
  tag: 13,
} as const;

/** Sections of a component that hold a whole module or component. Source: component model binary format. */
export const nestedSectionIds: ReadonlySet<number> = new Set([1, 4]);

/** More sections than any toolchain emits; keeps a file of tiny sections from becoming a heap of objects. */
const maxSections = 10_000;

/** Place of each non-custom section in a module; 14 is where string references were proposed. */
const order = new Map([1, 2, 3, 4, 5, 13, 14, 6, 7, 8, 9, 12, 10, 11].map((id, place) => [id, place]));

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * A reading position inside `bytes[offset, end)`. Every read checks the end first.
 * @throws LatticeError MODULE_MALFORMED from every method, naming `file` and the offset.
 */
export class Cursor {
  readonly bytes: Uint8Array;
  readonly end: number;
  readonly file: string;
  offset: number;

  constructor(bytes: Uint8Array, offset: number, end: number, file: string) {
    this.bytes = bytes;
    this.offset = offset;
    this.end = end;
    this.file = file;
  }

  get left(): number {
    return this.end - this.offset;
  }

  malformed(why: string, at: number = this.offset): Error {
    return fail("MODULE_MALFORMED", this.file, `${why} at offset ${at}`);
  }

  byte(): number {
    if (this.offset >= this.end) throw this.malformed("the bytes end too early");
    return this.bytes[this.offset++]!;
  }

  /** Unsigned LEB128 of at most 32 bits; padded forms of up to five bytes are legal. */
  u32(): number {
    const at = this.offset;
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      if (shift === 28 && byte > 0x0f) break;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw this.malformed("a number has more than 32 bits", at);
  }

  /** Passes over a LEB128 of either sign and up to `maxBytes` bytes. */
  skipLeb(maxBytes = 10): void {
    for (let read = 1; this.byte() >= 0x80; read++) {
      if (read === maxBytes) throw this.malformed("a number is too long");
    }
  }

  /** The number of items that follow, each at least `smallest` bytes long: never more than can be there. */
  count(what: string, smallest = 1): number {
    const at = this.offset;
    const count = this.u32();
    if (count * smallest > this.left) throw this.malformed(`${count} ${what} do not fit into ${this.left} bytes`, at);
    return count;
  }

  skip(length: number): void {
    if (length > this.left) throw this.malformed(`${length} bytes are announced and ${this.left} are there`);
    this.offset += length;
  }

  /** A view of the next `length` bytes. */
  take(length: number): Uint8Array {
    const from = this.offset;
    this.skip(length);
    return this.bytes.subarray(from, this.offset);
  }

  /** A name: length and UTF-8. */
  name(): string {
    const at = this.offset;
    const view = this.take(this.u32());
    try {
      return utf8.decode(view);
    } catch {
      throw this.malformed("a name is not UTF-8", at);
    }
  }
}

/**
 * The sections of `bytes`, in file order.
 * In a module, sections other than custom ones must be known, in order and not repeated; in a
 * component they may come in any order.
 * @throws LatticeError MODULE_NOT_WASM, MODULE_MALFORMED, MODULE_LIMIT (more than 10 000 sections).
 */
export function readSections(bytes: Uint8Array, file: string): WasmFile {
  const kind = readPreamble(bytes, file);
  const cursor = new Cursor(bytes, 8, bytes.length, file);
  const sections: Section[] = [];
  let lastPlace = -1;
  while (cursor.left > 0) {
    if (sections.length === maxSections) throw fail("MODULE_LIMIT", file, `more than ${maxSections} sections`);
    const start = cursor.offset;
    const id = cursor.byte();
    const length = cursor.u32();
    const bodyStart = cursor.offset;
    cursor.skip(length);
    const end = cursor.offset;
    if (id === sectionId.custom) {
      const inside = new Cursor(bytes, bodyStart, end, file);
      const name = inside.name();
      sections.push({ id, start, bodyStart, end, name, contentStart: inside.offset });
      continue;
    }
    if (kind === "module") {
      const place = order.get(id);
      if (place === undefined) throw cursor.malformed(`section id ${id} is unknown`, start);
      if (place <= lastPlace) throw cursor.malformed(`section id ${id} is repeated or out of order`, start);
      lastPlace = place;
    }
    sections.push({ id, start, bodyStart, end, name: "", contentStart: bodyStart });
  }
  return { kind, sections };
}

/** Whether the bytes begin as a module or as a component; both share the magic, the layer tells them apart. */
export function readPreamble(bytes: Uint8Array, file: string): "module" | "component" {
  if (bytes.length < 4 || bytes[0] !== 0 || bytes[1] !== 0x61 || bytes[2] !== 0x73 || bytes[3] !== 0x6d)
    throw fail("MODULE_NOT_WASM", file);
  if (bytes.length < 8) throw fail("MODULE_MALFORMED", file, "it is cut short in the preamble");
  const version = bytes[4]! | (bytes[5]! << 8);
  const layer = bytes[6]! | (bytes[7]! << 8);
  if (layer === 1) return "component";
  if (layer !== 0 || version !== 1)
    throw fail("MODULE_MALFORMED", file, `version ${version} of layer ${layer} is unknown`);
  return "module";
}

/** Minimal unsigned LEB128 of a number below 2^32. */
export function encodeU32(value: number): Uint8Array {
  const out: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    out.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  out.push(rest);
  return Uint8Array.from(out);
}

/** Joins pieces into one array. */
export function concatBytes(pieces: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const piece of pieces) length += piece.length;
  const joined = new Uint8Array(length);
  let offset = 0;
  for (const piece of pieces) {
    joined.set(piece, offset);
    offset += piece.length;
  }
  return joined;
}
