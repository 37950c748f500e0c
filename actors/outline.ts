import { fail } from "../lattice/index.ts";
import { Cursor, sectionId } from "./sections.ts";
import type { Section, WasmFile } from "./sections.ts";

/**
 * What a module shows of itself without being compiled: imports, exports, memory. Enough to tell
 * what it is; whether it is valid is the compiler's question.
 */
export interface Outline {
  readonly imports: readonly OutlineImport[];
  readonly exports: readonly OutlineExport[];
  readonly memory: MemoryOutline | undefined;
}

export type ExternKind = "function" | "table" | "memory" | "global" | "tag";

export interface OutlineImport {
  readonly module: string;
  readonly name: string;
  readonly kind: ExternKind;
  /** Of a function whose type could be read: how many parameters it takes. */
  readonly parameters: number | undefined;
}

export interface OutlineExport {
  readonly name: string;
  readonly kind: ExternKind;
}

/** Declared or imported; in pages of 64 KiB. */
export interface MemoryOutline {
  readonly minPages: number;
  readonly maxPages: number | undefined;
  readonly imported: boolean;
}

const kinds: readonly ExternKind[] = ["function", "table", "memory", "global", "tag"];

/** Far above any actor, and little enough to hold as objects. */
const maxItems = 100_000;

/** @throws LatticeError MODULE_MALFORMED, MODULE_LIMIT (more than 100 000 types, imports or exports). */
export function readOutline(bytes: Uint8Array, wasm: WasmFile, file: string): Outline {
  const cursorOf = (id: number): Cursor | undefined => {
    const section = wasm.sections.find((candidate) => candidate.id === id);
    return section && new Cursor(bytes, section.bodyStart, section.end, file);
  };
  const types = cursorOf(sectionId.type);
  const imports = cursorOf(sectionId.import);
  const exports = cursorOf(sectionId.export);
  const memories = cursorOf(sectionId.memory);
  const parameterCounts = types ? readParameterCounts(types) : [];
  const imported = imports ? readImports(imports, parameterCounts) : { imports: [], memory: undefined };
  return {
    imports: imported.imports,
    exports: exports ? readExports(exports) : [],
    memory: imported.memory ?? (memories && memories.count("memories") > 0 ? readLimits(memories, false) : undefined),
  };
}

/** The content of the data section; empty when there is none. A view. */
export function dataSection(bytes: Uint8Array, sections: readonly Section[]): Buffer {
  const section = sections.find((candidate) => candidate.id === sectionId.data);
  return section
    ? Buffer.from(bytes.buffer, bytes.byteOffset + section.bodyStart, section.end - section.bodyStart)
    : Buffer.alloc(0);
}

function boundedCount(cursor: Cursor, what: string, smallest: number): number {
  const count = cursor.count(what, smallest);
  if (count > maxItems) throw fail("MODULE_LIMIT", cursor.file, `${count} ${what}, more than ${maxItems}`);
  return count;
}

/** By type index; types after one that is no plain function type are left out. */
function readParameterCounts(cursor: Cursor): number[] {
  const counts: number[] = [];
  for (let left = boundedCount(cursor, "types", 1); left > 0; left--) {
    if (cursor.byte() !== 0x60) break;
    const parameters = skipValueTypes(cursor);
    skipValueTypes(cursor);
    counts.push(parameters);
  }
  return counts;
}

function skipValueTypes(cursor: Cursor): number {
  const count = cursor.count("value types");
  for (let left = count; left > 0; left--) skipValueType(cursor);
  return count;
}

/** One byte, or 0x63/0x64 and a heap type for typed references. */
function skipValueType(cursor: Cursor): void {
  const type = cursor.byte();
  if (type === 0x63 || type === 0x64) cursor.skipLeb(5);
}

function readImports(
  cursor: Cursor,
  parameterCounts: readonly number[],
): { imports: OutlineImport[]; memory: MemoryOutline | undefined } {
  const imports: OutlineImport[] = [];
  let memory: MemoryOutline | undefined;
  for (let left = boundedCount(cursor, "imports", 4); left > 0; left--) {
    const module = cursor.name();
    const name = cursor.name();
    const kind = readKind(cursor);
    let parameters: number | undefined;
    if (kind === "function") parameters = parameterCounts[cursor.u32()];
    else if (kind === "memory") memory ??= readLimits(cursor, true);
    else if (kind === "table") {
      skipValueType(cursor);
      readLimits(cursor, true);
    } else if (kind === "global") {
      skipValueType(cursor);
      cursor.byte();
    } else {
      cursor.byte();
      cursor.u32();
    }
    imports.push({ module, name, kind, parameters });
  }
  return { imports, memory };
}

function readExports(cursor: Cursor): OutlineExport[] {
  const exports: OutlineExport[] = [];
  for (let left = boundedCount(cursor, "exports", 3); left > 0; left--) {
    const name = cursor.name();
    exports.push({ name, kind: readKind(cursor) });
    cursor.u32();
  }
  return exports;
}

function readKind(cursor: Cursor): ExternKind {
  const kind = kinds[cursor.byte()];
  if (kind === undefined) throw cursor.malformed("an import or export is of unknown kind", cursor.offset - 1);
  return kind;
}

/** Flags: 1 has a maximum, 2 shared, 4 64-bit. Sizes of 64-bit memories are only passed over. */
function readLimits(cursor: Cursor, imported: boolean): MemoryOutline {
  const flags = cursor.byte();
  const read = (): number => {
    if ((flags & 4) === 0) return cursor.u32();
    cursor.skipLeb();
    return 0;
  };
  const minPages = read();
  return { minPages, maxPages: (flags & 1) === 0 ? undefined : read(), imported };
}
