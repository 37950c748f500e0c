import { isLatticeError } from "../lattice/index.ts";
import { Cursor } from "./sections.ts";
import type { WasmFile } from "./sections.ts";

/**
 * The world of a component by name: what it imports and exports.
 * Source: component model binary format, import and export definitions.
 */
export interface ComponentOutline {
  readonly imports: readonly ComponentItem[];
  readonly exports: readonly ComponentItem[];
}

export interface ComponentItem {
  /** For example `wasi:http/types@0.2.0`. */
  readonly name: string;
  readonly kind: string;
}

const importSection = 10;
const exportSection = 11;
const kinds = ["core module", "function", "value", "type", "component", "instance"] as const;
const maxItems = 10_000;

/** Never throws: items after one that cannot be read are left out. */
export function readComponentOutline(bytes: Uint8Array, wasm: WasmFile, file: string): ComponentOutline {
  const imports: ComponentItem[] = [];
  const exports: ComponentItem[] = [];
  for (const section of wasm.sections) {
    if (section.id !== importSection && section.id !== exportSection) continue;
    const cursor = new Cursor(bytes, section.bodyStart, section.end, file);
    try {
      for (let left = cursor.count("items", 3); left > 0; left--) {
        if (imports.length + exports.length >= maxItems) break;
        if (section.id === importSection) imports.push(readImport(cursor));
        else exports.push(readExport(cursor));
      }
    } catch (error) {
      if (!isLatticeError(error)) throw error;
    }
  }
  return { imports, exports };
}

function readImport(cursor: Cursor): ComponentItem {
  const name = readExternName(cursor);
  return { name, kind: readExternType(cursor) };
}

function readExport(cursor: Cursor): ComponentItem {
  const name = readExternName(cursor);
  const sort = cursor.byte();
  if (sort === 0) cursor.byte();
  cursor.u32();
  if (cursor.byte() === 1) readExternType(cursor);
  return { name, kind: kindOf(cursor, sort) };
}

/** A form byte and a name; the newest form adds a version suffix, which is passed over. */
function readExternName(cursor: Cursor): string {
  const form = cursor.byte();
  const name = cursor.name();
  if (form === 2) cursor.name();
  return name;
}

function readExternType(cursor: Cursor): string {
  const form = cursor.byte();
  if (form === 0) cursor.byte();
  if (form === 2) {
    cursor.byte();
    cursor.skipLeb();
  } else if (form !== 3 || cursor.byte() === 0) cursor.u32();
  return kindOf(cursor, form);
}

function kindOf(cursor: Cursor, form: number): string {
  const kind = kinds[form];
  if (kind === undefined) throw cursor.malformed("an item is of unknown kind");
  return kind;
}
