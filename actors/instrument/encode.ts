import type { Appended } from "./appended.ts";
import { addedImports } from "./appended.ts";
import type { Bodies } from "./bodies.ts";
import { ByteWriter } from "./bytes.ts";
import { chargeGlobal, setCost } from "./charges.ts";
import type { Declarations } from "./declarations.ts";
import type { Definitions } from "./definitions.ts";
import { IntList } from "./int-list.ts";
import { exportNames, LATTICE } from "./options.ts";
import { Section, type SectionName } from "./sections.ts";
import { I32 } from "./types.ts";

/** Everything the rewritten module is put together from. */
export interface Parts {
  readonly declarations: Declarations;
  readonly definitions: Definitions;
  readonly appended: Appended;
  readonly bodies: Bodies;
  /** By function with a body: what it charges at its entry, 0 for nothing. */
  readonly charges: Int32Array;
  /** New index of the serving loop. */
  readonly run: number | undefined;
}

/** Writes the module: the guest's sections with what we add at the end of each. */
export function encode(parts: Parts): { readonly bytes: Uint8Array; readonly codeBytes: number } {
  const { declarations, definitions, appended, bodies } = parts;
  const { bytes, file } = declarations;
  const roughly = bodies.out.length + parts.charges.length * 8 + 65_536;
  const out = new ByteWriter(roughly + dataLength(declarations), bytes.length * 5 + 4 * 2 ** 20, file);
  out.all([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
  const entry = entryCharge(appended, file);
  writeTypes(out, declarations, appended);
  writeImports(out, declarations, appended);
  writeFunctions(out, declarations, appended);
  if (declarations.definedTables > 0) section(out, "table", declarations.definedTables, declarations.tables);
  if (declarations.definedMemories > 0) section(out, "memory", declarations.definedMemories, declarations.memories);
  unchanged(out, declarations, "tag");
  const global = out.open(Section.global);
  out.u32(declarations.definedGlobals + 1);
  out.copy(definitions.globals.bytes, 0, definitions.globals.length);
  out.all([I32, 1, 0x41, 0, 0x0b]);
  out.close(global);
  writeExports(out, parts);
  if (definitions.elementCount > 0) section(out, "element", definitions.elementCount, definitions.elements);
  unchanged(out, declarations, "dataCount");
  writeHints(out, parts, entry);
  const codeBytes = writeCode(out, parts, entry);
  unchanged(out, declarations, "data");
  return { bytes: out.done(), codeBytes };
}

function dataLength({ sections: { data } }: Declarations): number {
  return data === undefined ? 0 : data.end - data.start;
}

function section(out: ByteWriter, name: SectionName, count: number, content: ByteWriter): void {
  const at = out.open(Section[name]);
  out.u32(count);
  out.copy(content.bytes, 0, content.length);
  out.close(at);
}

function unchanged(out: ByteWriter, declarations: Declarations, name: SectionName): void {
  const span = declarations.sections[name];
  if (span === undefined) return;
  const at = out.open(Section[name]);
  out.copy(declarations.bytes, span.start, span.end);
  out.close(at);
}

/** Copies the items of a vector that stay as they are: the section without its count. */
function items(out: ByteWriter, declarations: Declarations, name: SectionName): void {
  const span = declarations.sections[name];
  if (span === undefined) return;
  let start = span.start;
  while (declarations.bytes[start++]! >= 0x80);
  out.copy(declarations.bytes, start, span.end);
}

function writeTypes(out: ByteWriter, declarations: Declarations, appended: Appended): void {
  for (const { parameters, results } of addedImports) appended.type(parameters, results);
  const at = out.open(Section.type);
  out.u32(declarations.types.length + appended.types.length);
  items(out, declarations, "type");
  for (const { parameters, results } of appended.types) {
    out.all([0x60, parameters.length, ...parameters, results.length, ...results]);
  }
  out.close(at);
}

function writeImports(out: ByteWriter, declarations: Declarations, appended: Appended): void {
  const at = out.open(Section.import);
  out.u32(declarations.importCount + addedImports.length);
  out.copy(declarations.imports.bytes, 0, declarations.imports.length);
  for (const { name, parameters, results } of addedImports) {
    out.text(LATTICE);
    out.text(name);
    out.byte(0);
    out.u32(appended.type(parameters, results));
  }
  out.close(at);
}

function writeFunctions(out: ByteWriter, declarations: Declarations, appended: Appended): void {
  const at = out.open(Section.function);
  out.u32(declarations.defined + appended.functions.length);
  items(out, declarations, "function");
  for (const made of appended.functions) out.u32(made!.type);
  out.close(at);
}

function writeExports(out: ByteWriter, { definitions, appended, run }: Parts): void {
  const added = [
    { name: exportNames.fuel, kind: 3, index: appended.fuelGlobal },
    ...(run === undefined ? [] : [{ name: exportNames.run, kind: 0, index: run }]),
    ...(definitions.start === undefined ? [] : [{ name: exportNames.start, kind: 0, index: definitions.start }]),
  ];
  const at = out.open(Section.export);
  out.u32(definitions.exportCount + added.length);
  out.copy(definitions.exports.bytes, 0, definitions.exports.length);
  for (const { name, kind, index } of added) {
    out.text(name);
    out.byte(kind);
    out.u32(index);
  }
  out.close(at);
}

/** An entry charge: the same bytes in each function but for the cost. */
interface EntryCharge {
  readonly code: ByteWriter;
  readonly costAt: number;
  readonly hintAt: number;
}

function entryCharge(appended: Appended, file: string): EntryCharge {
  const code = new ByteWriter(64, 64, file);
  const hints = new IntList();
  const costAt = chargeGlobal(code, appended.targets, hints, 0);
  return { code, costAt, hintAt: hints.items[0]! };
}

/**
 * Tells the compiler that fuel hardly ever ends, so that it moves that code out of the way.
 * Source: the branch hinting proposal; an engine that does not know it passes over the section.
 */
function writeHints(out: ByteWriter, { declarations, bodies, charges }: Parts, entry: EntryCharge): void {
  const { hints, hintsFrom, sizeAt, codeAt } = bodies;
  const hinted: number[] = [];
  for (const [index, charge] of charges.entries()) {
    if (charge > 0 || hintsFrom[index + 1]! > hintsFrom[index]!) hinted.push(index);
  }
  if (hinted.length === 0) return;
  const first = declarations.importedFunctions.length + addedImports.length;
  const at = out.open(0);
  out.text("metadata.code.branch_hint");
  out.u32(hinted.length);
  for (const index of hinted) {
    const charged = charges[index]! > 0;
    out.u32(first + index);
    out.u32(hintsFrom[index + 1]! - hintsFrom[index]! + (charged ? 1 : 0));
    if (charged) writeHint(out, codeAt[index]! - sizeAt[index]! - 5 + entry.hintAt);
    const moved = charged ? entry.code.length : 0;
    for (let hint = hintsFrom[index]!; hint < hintsFrom[index + 1]!; hint++) writeHint(out, hints.items[hint]! + moved);
  }
  out.close(at);
}

function writeHint(out: ByteWriter, offset: number): void {
  out.u32(offset);
  out.byte(1);
  out.byte(0);
}

/** Copies the bodies in runs from one entry charge to the next. Returns the bytes of the section. */
function writeCode(out: ByteWriter, { declarations, appended, bodies, charges }: Parts, entry: EntryCharge): number {
  const at = out.open(Section.code);
  out.u32(declarations.defined + appended.functions.length);
  const source = bodies.out;
  let copied = 0;
  for (const [index, charge] of charges.entries()) {
    if (charge === 0) continue;
    const sizeAt = bodies.sizeAt[index]!;
    const codeAt = bodies.codeAt[index]!;
    source.patch(sizeAt, bodies.endAt[index]! - sizeAt - 5 + entry.code.length);
    out.copy(source.bytes, copied, codeAt);
    setCost(entry.code, entry.costAt, charge);
    out.copy(entry.code.bytes, 0, entry.code.length);
    copied = codeAt;
  }
  out.copy(source.bytes, copied, source.length);
  for (const made of appended.functions) {
    out.u32(made!.body.length);
    out.all(made!.body);
  }
  out.close(at);
  return out.length - at - 5;
}
