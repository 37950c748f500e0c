import { fail } from "../../lattice/index.ts";
import { type ByteReader, ByteWriter } from "./bytes.ts";
import { globalType } from "./declarations.ts";
import type { Declarations } from "./declarations.ts";
import type { Functions } from "./functions.ts";
import { exportNames, limits } from "./options.ts";
import { refusedOpcode } from "./opcodes.ts";
import { I32, isReferenceType, referenceType, refusedType, sameType } from "./types.ts";

const ourExports = new Set<string>(Object.values(exportNames));

/**
 * The sections that refer to functions by index, with the indices put right: globals, exports,
 * elements, each in its own buffer without its count; and what is learnt on the way.
 */
export class Definitions {
  readonly globals: ByteWriter;
  readonly exports: ByteWriter;
  readonly elements: ByteWriter;
  exportCount = 0;
  elementCount = 0;
  /** New index of the start function. */
  start: number | undefined;
  /** New index of `__guest_call`, when it has its right type. */
  guestCall: number | undefined;
  /** Bytes of each data segment. */
  readonly dataSizes: number[] = [];
  readonly #declarations: Declarations;
  readonly #functions: Functions;

  constructor(declarations: Declarations, functions: Functions) {
    this.#declarations = declarations;
    this.#functions = functions;
    const { sections, file } = declarations;
    // A renumbered index takes at most four bytes more than the guest wrote.
    const writer = (span: { start: number; end: number } | undefined) => {
      const length = span === undefined ? 0 : span.end - span.start;
      return new ByteWriter(length + 64, length * 5 + 1024, file);
    };
    this.globals = writer(sections.global);
    this.exports = writer(sections.export);
    this.elements = writer(sections.element);
    declarations.read("global", (reader) => this.#readGlobals(reader));
    declarations.read("export", (reader) => this.#readExports(reader));
    declarations.read("start", (reader) => this.#readStart(reader));
    declarations.read("element", (reader) => this.#readElements(reader));
    declarations.read("data", (reader) => this.#readData(reader));
  }

  #readGlobals(reader: ByteReader): void {
    const out = this.globals;
    const count = reader.count("globals", 3, limits.items);
    for (let index = 0; index < count; index++) {
      const where = `global ${this.#declarations.importedGlobals + index}`;
      const start = reader.at;
      globalType(reader, where);
      out.copy(reader.bytes, start, reader.at);
      this.#constant(reader, out, where);
    }
  }

  /** Copies a constant expression; a function it names counts as one that a table may hold. */
  #constant(reader: ByteReader, out: ByteWriter, where: string): void {
    for (;;) {
      const start = reader.at;
      const opcode = reader.byte();
      switch (opcode) {
        case 0x0b: // end
          out.byte(opcode);
          return;
        case 0x41: // i32.const
          reader.skipSigned(5);
          break;
        case 0x42: // i64.const
          reader.skipSigned(10);
          break;
        case 0x43: // f32.const
          reader.skip(4);
          break;
        case 0x44: // f64.const
          reader.skip(8);
          break;
        case 0x23: // global.get
          this.#global(reader);
          break;
        case 0xd0: {
          const type = reader.byte();
          if (!isReferenceType(type)) throw this.#declarations.refused(refusedType(type), where);
          break;
        }
        case 0xd2: // ref.func
          out.byte(opcode);
          out.u32(this.#escaping(reader));
          continue;
        case 0x6a: // i32 and i64 add, sub, mul
        case 0x6b:
        case 0x6c:
        case 0x7c:
        case 0x7d:
        case 0x7e:
          break;
        case 0xfd: {
          const code = reader.u32();
          if (code !== 0x0c) throw reader.malformed(`${where} is not constant`);
          reader.skip(16);
          break;
        }
        default: {
          const feature = refusedOpcode(opcode, opcode === 0xfb ? reader.u32() : 0);
          if (feature !== "unknown-instruction") throw this.#declarations.refused(feature, where);
          throw reader.malformed(`${where} is not constant`);
        }
      }
      out.copy(reader.bytes, start, reader.at);
    }
  }

  #global(reader: ByteReader): void {
    const index = reader.u32();
    if (index >= this.#declarations.globalCount) throw reader.malformed(`there is no global ${index},`);
  }

  #escaping(reader: ByteReader): number {
    const index = this.#functions.read(reader);
    this.#functions.escape(index);
    return this.#functions.map[index]!;
  }

  #readExports(reader: ByteReader): void {
    const out = this.exports;
    this.exportCount = reader.count("exports", 3, limits.items);
    for (let left = this.exportCount; left > 0; left--) {
      const start = reader.at;
      const name = reader.text();
      if (ourExports.has(name)) {
        throw fail("MODULE_MALFORMED", reader.file, `it exports ${name}, a name of the host`);
      }
      const kind = reader.byte();
      if (kind === 0) {
        out.copy(reader.bytes, start, reader.at);
        const index = this.#functions.read(reader);
        out.u32(this.#functions.map[index]!);
        if (name === "__guest_call" && this.#hasType(index, [I32, I32], [I32])) {
          this.guestCall = this.#functions.map[index]!;
        }
        continue;
      }
      if (kind === 3) this.#global(reader);
      else if (kind <= 4) reader.u32();
      else throw reader.malformed(`export ${name} is of unknown kind ${kind},`);
      out.copy(reader.bytes, start, reader.at);
    }
  }

  #hasType(index: number, parameters: readonly number[], results: readonly number[]): boolean {
    const { functionTypes, types } = this.#declarations;
    return sameType(types.at(functionTypes[index]!), parameters, results);
  }

  #readStart(reader: ByteReader): void {
    const index = this.#functions.read(reader);
    if (!this.#hasType(index, [], [])) throw reader.malformed("the start function has parameters or results");
    this.start = this.#functions.map[index]!;
  }

  /** All eight forms. Source: WebAssembly core specification, binary format of the element section. */
  #readElements(reader: ByteReader): void {
    const out = this.elements;
    this.elementCount = reader.count("element segments", 2, limits.items);
    for (let index = 0; index < this.elementCount; index++) {
      const where = `element segment ${index}`;
      const start = reader.at;
      const flags = reader.u32();
      if (flags > 7) throw reader.malformed(`${where} is of unknown form ${flags},`);
      const active = (flags & 1) === 0;
      const expressions = (flags & 4) !== 0;
      if (active && (flags & 2) !== 0) reader.u32();
      out.copy(reader.bytes, start, reader.at);
      if (active) this.#constant(reader, out, where);
      const typed = reader.at;
      if (flags !== 0 && flags !== 4) {
        if (expressions) referenceType(reader, where);
        else if (reader.byte() !== 0) throw reader.malformed(`${where} is of unknown kind`);
      }
      const count = reader.count("elements");
      out.copy(reader.bytes, typed, reader.at);
      for (let left = count; left > 0; left--) {
        if (expressions) this.#constant(reader, out, where);
        else out.u32(this.#escaping(reader));
      }
    }
  }

  /** Data is copied as it is; only its sizes matter, and that its offsets use nothing unknown. */
  #readData(reader: ByteReader): void {
    const scratch = new ByteWriter(64, reader.end - reader.at + 1024, reader.file);
    const count = reader.count("data segments", 2, limits.items);
    for (let index = 0; index < count; index++) {
      const where = `data segment ${index}`;
      const flags = reader.u32();
      if (flags > 2) throw reader.malformed(`${where} is of unknown form ${flags},`);
      if (flags === 2 && reader.u32() !== 0) throw this.#declarations.refused("multi-memory", where);
      scratch.length = 0;
      if (flags !== 1) this.#constant(reader, scratch, where);
      const size = reader.u32();
      reader.skip(size);
      this.dataSizes.push(size);
    }
  }
}
