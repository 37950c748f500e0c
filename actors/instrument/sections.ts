import { fail } from "../../lattice/index.ts";
import { ByteReader } from "./bytes.ts";

/** Section ids in the order a module must have them. */
export const Section = {
  type: 1,
  import: 2,
  function: 3,
  table: 4,
  memory: 5,
  tag: 13,
  global: 6,
  export: 7,
  start: 8,
  element: 9,
  dataCount: 12,
  code: 10,
  data: 11,
} as const;

export type SectionName = keyof typeof Section;

const names = Object.keys(Section) as SectionName[];
const byId = new Map(names.map((name, rank) => [Section[name] as number, { name, rank }]));

/** Where a section's content lies in the module. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface Sections extends Partial<Record<SectionName, Span>> {
  /** Content of the custom section `name`, the first if there are several. */
  readonly names?: Uint8Array;
}

/**
 * Finds the sections of a core module; custom ones other than `name` are passed over.
 * @throws LatticeError MODULE_NOT_WASM, MODULE_IS_COMPONENT, MODULE_MALFORMED (unknown, twice, out of
 * order, longer than the file), MODULE_FEATURE_REFUSED.
 */
export function findSections(bytes: Uint8Array, file: string): Sections {
  if (bytes.length < 8 || bytes[0] !== 0 || bytes[1] !== 0x61 || bytes[2] !== 0x73 || bytes[3] !== 0x6d) {
    throw fail("MODULE_NOT_WASM", file);
  }
  if (bytes[6] === 1 && bytes[7] === 0) throw fail("MODULE_IS_COMPONENT", file);
  const reader = new ByteReader(bytes, file, 4);
  if (bytes[4] !== 1 || bytes[5] !== 0 || bytes[6] !== 0 || bytes[7] !== 0) throw reader.malformed("unknown version");
  reader.skip(4);
  const found: { -readonly [Key in keyof Sections]: Sections[Key] } = {};
  let last = -1;
  while (reader.at < bytes.length) {
    const id = reader.byte();
    const length = reader.u32();
    const start = reader.at;
    reader.skip(length);
    const span = { start, end: reader.at };
    if (id === 0) {
      const custom = new ByteReader(bytes, file, span.start, span.end);
      if (custom.text() === "name") found.names ??= bytes.slice(custom.at, custom.end);
      continue;
    }
    if (id === 14) throw fail("MODULE_FEATURE_REFUSED", file, "stringref", "section 14");
    const section = byId.get(id);
    reader.at = start;
    if (section === undefined) throw reader.malformed(`unknown section ${id}`);
    if (section.rank === last) throw reader.malformed(`a second ${section.name} section`);
    if (section.rank < last) throw reader.malformed(`the ${section.name} section is out of order,`);
    last = section.rank;
    found[section.name] = span;
    reader.at = span.end;
  }
  return found;
}
