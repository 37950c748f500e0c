import { fail } from "../../lattice/index.ts";
import type { LatticeError } from "../../lattice/index.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import { LATTICE, limits } from "./options.ts";
import type { MemoryLimits } from "./options.ts";
import type { RefusedProposal } from "./proposals.ts";
import type { SectionName, Sections } from "./sections.ts";
import { FunctionTypes, referenceType, valueType } from "./types.ts";

/** What the instrumenter lets an import of a function become. */
export interface ImportedFunction {
  readonly module: string;
  readonly name: string;
  readonly type: number;
}

/** Largest sizes a module may ask for. */
export interface Caps {
  readonly memoryPages: number;
  readonly tableElements: number;
}

/**
 * Everything a module declares outside its function bodies up to the globals' types: what the other
 * sections refer to. The sections that carry caps are rewritten on the way, each into its own buffer
 * without its count: `imports`, `tables`, `memories`.
 */
export class Declarations {
  readonly file: string;
  readonly bytes: Uint8Array;
  readonly sections: Sections;
  readonly types: FunctionTypes;
  readonly importedFunctions: ImportedFunction[] = [];
  /** Type index of each function, imported ones first. */
  readonly functionTypes: Int32Array;
  /** Functions with a body. */
  readonly defined: number;
  memory: MemoryLimits | undefined;
  tableCount = 0;
  tagCount = 0;
  importCount = 0;
  importedGlobals = 0;
  /** Globals with a value of their own. */
  readonly definedGlobals: number;
  definedTables = 0;
  definedMemories = 0;
  readonly imports: ByteWriter;
  readonly tables: ByteWriter;
  readonly memories: ByteWriter;
  readonly #caps: Caps;

  constructor(bytes: Uint8Array, sections: Sections, file: string, caps: Caps) {
    this.bytes = bytes;
    this.sections = sections;
    this.file = file;
    this.#caps = caps;
    this.imports = new ByteWriter(256, bytes.length * 2 + 1024, file);
    this.tables = new ByteWriter(64, 1024, file);
    this.memories = new ByteWriter(16, 64, file);
    const none = new ByteReader(Uint8Array.of(0), file);
    this.types = this.read("type", (reader) => new FunctionTypes(reader)) ?? new FunctionTypes(none);
    this.read("import", (reader) => this.#readImports(reader));
    const own = this.read("function", (reader) => this.#readFunctions(reader)) ?? [];
    this.defined = own.length;
    this.functionTypes = Int32Array.from([...this.importedFunctions.map((entry) => entry.type), ...own]);
    const functions = this.functionTypes.length;
    if (functions > limits.functions) throw this.limit(`${functions} functions, more than ${limits.functions}`);
    this.read("table", (reader) => this.#readTables(reader));
    this.read("memory", (reader) => this.#readMemories(reader));
    this.read("tag", (reader) => this.#readTags(reader));
    const { global } = sections;
    this.definedGlobals = global
      ? new ByteReader(bytes, file, global.start, global.end).count("globals", 3, limits.items)
      : 0;
  }

  /** Reads one whole section, if there is one; bytes that `use` leaves over are an error. */
  read<T>(name: SectionName, use: (reader: ByteReader) => T): T | undefined {
    const span = this.sections[name];
    if (span === undefined) return undefined;
    const reader = new ByteReader(this.bytes, this.file, span.start, span.end);
    const result = use(reader);
    if (reader.at !== span.end) throw reader.malformed(`the ${name} section goes on after its last item`);
    return result;
  }

  get functionCount(): number {
    return this.functionTypes.length;
  }

  get globalCount(): number {
    return this.importedGlobals + this.definedGlobals;
  }

  /** What errors call a function with a body; asked for only when there is one. */
  functionName(index: number): () => string {
    return () => `function ${this.importedFunctions.length + index}`;
  }

  type(reader: ByteReader): number {
    const index = reader.u32();
    if (index >= this.types.length) throw reader.malformed(`there is no type ${index},`);
    return index;
  }

  refused(feature: RefusedProposal, where: string): LatticeError {
    return fail("MODULE_FEATURE_REFUSED", this.file, feature, where);
  }

  malformed(why: string): LatticeError {
    return fail("MODULE_MALFORMED", this.file, why);
  }

  limit(what: string): LatticeError {
    return fail("MODULE_LIMIT", this.file, what);
  }

  #readImports(reader: ByteReader): void {
    const out = this.imports;
    this.importCount = reader.count("imports", 4, limits.items);
    for (let left = this.importCount; left > 0; left--) {
      const start = reader.at;
      const module = reader.text();
      const name = reader.text();
      const where = `import ${module}.${name}`;
      if (module === LATTICE) throw fail("MODULE_IMPORT_UNKNOWN", this.file, `${module}.${name}`);
      const kind = reader.byte();
      out.copy(this.bytes, start, reader.at);
      const from = reader.at;
      if (kind === 0) {
        this.importedFunctions.push({ module, name, type: this.type(reader) });
      } else if (kind === 1) {
        this.#table(reader, out, where);
        continue;
      } else if (kind === 2) {
        this.#memory(reader, out, where, { module, name });
        continue;
      } else if (kind === 3) {
        this.importedGlobals++;
        globalType(reader, where);
      } else if (kind === 4) {
        this.#tag(reader);
      } else {
        throw reader.malformed(`${where} is of unknown kind ${kind},`);
      }
      out.copy(this.bytes, from, reader.at);
    }
  }

  #readFunctions(reader: ByteReader): number[] {
    const count = reader.count("functions", 1, limits.functions);
    return Array.from({ length: count }, () => this.type(reader));
  }

  #readTables(reader: ByteReader): void {
    this.definedTables = reader.count("tables", 3);
    for (let index = 0; index < this.definedTables; index++)
      this.#table(reader, this.tables, `table ${this.tableCount}`);
  }

  #table(reader: ByteReader, out: ByteWriter, where: string): void {
    if (++this.tableCount > limits.tables) throw this.limit(`more than ${limits.tables} tables`);
    if (reader.peek() === 0x40) throw this.refused("function-references", `${where} with an initial value`);
    out.byte(referenceType(reader, where));
    const flags = reader.byte();
    if (flags === 2 || flags === 3) throw this.refused("shared-everything", where);
    if (flags === 4 || flags === 5) throw this.refused("memory64", where);
    if (flags > 1) throw reader.malformed(`${where} has unknown limits`);
    const initial = reader.u32();
    const maximum = flags === 1 ? reader.u32() : Infinity;
    const cap = this.#caps.tableElements;
    if (maximum < initial) throw reader.malformed(`${where} starts above its own maximum`);
    if (initial > cap) throw this.limit(`${where} starts with ${initial} elements, more than ${cap}`);
    out.byte(1);
    out.u32(initial);
    out.u32(Math.min(maximum, cap));
  }

  #readMemories(reader: ByteReader): void {
    this.definedMemories = reader.count("memories", 2);
    for (let left = this.definedMemories; left > 0; left--) this.#memory(reader, this.memories, "memory", undefined);
  }

  #memory(reader: ByteReader, out: ByteWriter, where: string, imported: MemoryLimits["imported"]): void {
    if (this.memory !== undefined) throw this.refused("multi-memory", where);
    const flags = reader.byte();
    if (flags === 2 || flags === 3) throw this.refused("threads", `${where} is shared`);
    if (flags >= 8 && flags <= 15) throw this.refused("custom-page-sizes", where);
    if (flags >= 4 && flags <= 7) throw this.refused("memory64", where);
    if (flags > 1) throw reader.malformed(`${where} has unknown limits`);
    const initial = reader.u32();
    const declared = flags === 1 ? reader.u32() : limits.pages;
    if (initial > limits.pages || declared > limits.pages) throw reader.malformed(`${where} is larger than 4 GiB`);
    if (declared < initial) throw reader.malformed(`${where} starts above its own maximum`);
    const cap = this.#caps.memoryPages;
    if (initial > cap) throw this.limit(`${where} starts with ${initial} pages of 64 KiB, more than ${cap}`);
    this.memory = { initial, maximum: Math.min(declared, cap), imported };
    out.byte(1);
    out.u32(initial);
    out.u32(this.memory.maximum);
  }

  #readTags(reader: ByteReader): void {
    for (let left = reader.count("tags", 2, limits.items); left > 0; left--) this.#tag(reader);
  }

  #tag(reader: ByteReader): void {
    if (reader.byte() !== 0) throw reader.malformed(`tag ${this.tagCount} has an unknown attribute`);
    this.type(reader);
    this.tagCount++;
  }
}

/** Reads a global's type. @throws LatticeError MODULE_FEATURE_REFUSED for a shared one. */
export function globalType(reader: ByteReader, where: string): void {
  valueType(reader, where);
  const mutable = reader.byte();
  if (mutable === 2 || mutable === 3) throw fail("MODULE_FEATURE_REFUSED", reader.file, "shared-everything", where);
  if (mutable > 1) throw reader.malformed(`${where} is neither mutable nor constant`);
}
