import { createHash } from "node:crypto";
import { fail, isLatticeError } from "../lattice/index.ts";
import { concatBytes, Cursor, encodeU32, nestedSectionIds, readSections, sectionId } from "./sections.ts";
import type { Section, WasmFile } from "./sections.ts";

/**
 * The module hash: SHA-256, upper-case hex, of a module without its token sections. It is always
 * checked; signers of old serialised "the module without" in several ways.
 * Source: waPC and actors reference, section 7.
 */

/** Token sections by age; the newer name wins where there is a choice. */
const tokenSectionNames: ReadonlySet<string> = new Set(["wasmcloud_jwt", "jwt"]);

/** Modules inside components inside components: more than anyone nests, less than the stack holds. */
const maxNesting = 100;

/** More functions than any module of that signer's time had; bounds the work spent on a hostile file. */
const maxPartialFunctions = 100_000;

export function isTokenSection(section: Section): boolean {
  return section.id === sectionId.custom && tokenSectionNames.has(section.name);
}

export type HashMatch = "raw" | "minimal" | "partial" | "none";

/**
 * How `expected` fits the file, the cheapest form first: its own bytes with the token sections cut
 * out; the same with minimal section lengths (a file rewritten by another tool); the partial form
 * of wascap 0.9.0, which a caller must refuse. "none" is also the answer where the inside of a
 * section cannot be read.
 */
export function matchHash(
  bytes: Uint8Array,
  wasm: WasmFile,
  expected: string,
  file: string,
  raw: string = rawHash(bytes, wasm),
): HashMatch {
  if (raw === expected) return "raw";
  if (minimalHash(bytes, file) === expected) return "minimal";
  try {
    return partialHash(bytes, wasm, file) === expected ? "partial" : "none";
  } catch (error) {
    if (isLatticeError(error)) return "none";
    throw error;
  }
}

/** SHA-256, upper-case hex, over the file's own bytes without token sections. */
export function rawHash(bytes: Uint8Array, wasm: WasmFile): string {
  return fileHashes(bytes, wasm).raw;
}

/**
 * `raw` as `rawHash`, and `digest`: SHA-256, lower-case hex, of the whole file. What stands before the
 * first token section, mostly everything, is hashed once for both: 1.2 ms less for 2 MB.
 */
export function fileHashes(bytes: Uint8Array, wasm: WasmFile): { readonly raw: string; readonly digest: string } {
  const firstToken = wasm.sections.findIndex(isTokenSection);
  const common = wasm.sections[firstToken]?.start ?? bytes.length;
  const raw = createHash("sha256").update(bytes.subarray(0, common));
  const whole = raw.copy().update(bytes.subarray(common));
  if (firstToken >= 0)
    for (const section of wasm.sections.slice(firstToken))
      if (!isTokenSection(section)) raw.update(bytes.subarray(section.start, section.end));
  return { raw: raw.digest("hex").toUpperCase(), digest: whole.digest("hex") };
}

/** SHA-256, upper-case hex, of `withoutTokens`: what signing writes and wascap from 0.10 checks. */
export function minimalHash(bytes: Uint8Array, file: string): string {
  return createHash("sha256").update(withoutTokens(bytes, file)).digest("hex").toUpperCase();
}

/**
 * The module or component without token sections, section lengths written minimally; in a component
 * also inside every module and component it holds.
 * @throws LatticeError as `readSections`, MODULE_LIMIT when nested more than 100 deep.
 */
export function withoutTokens(bytes: Uint8Array, file: string, depth = 0): Uint8Array {
  if (depth > maxNesting) throw fail("MODULE_LIMIT", file, `components nested more than ${maxNesting} deep`);
  const { kind, sections } = readSections(bytes, file);
  const pieces = [bytes.subarray(0, 8)];
  for (const section of sections) {
    if (isTokenSection(section)) continue;
    const held = bytes.subarray(section.bodyStart, section.end);
    const body = kind === "component" && nestedSectionIds.has(section.id) ? withoutTokens(held, file, depth + 1) : held;
    pieces.push(Uint8Array.of(section.id), encodeU32(body.length), body);
  }
  return concatBytes(pieces);
}

/**
 * The hash of wascap 0.9.0: function bodies, the first data segment and the content of other custom
 * sections, and nothing of types, imports, exports and tables. Undefined when that signer could not
 * have made one.
 */
function partialHash(bytes: Uint8Array, wasm: WasmFile, file: string): string | undefined {
  const hash = createHash("sha256");
  for (const section of wasm.sections) {
    const cursor = new Cursor(bytes, section.contentStart, section.end, file);
    if (section.id === sectionId.custom && !isTokenSection(section)) hash.update(cursor.take(cursor.left));
    else if (section.id === sectionId.code) {
      const functions = cursor.count("functions");
      if (functions > maxPartialFunctions) return undefined;
      for (let left = functions; left > 0; left--) hash.update(cursor.take(cursor.u32()));
    } else if (section.id === sectionId.data) {
      const data = firstDataSegment(cursor);
      if (data === undefined) return undefined;
      hash.update(data);
    }
  }
  return hash.digest("hex").toUpperCase();
}

function firstDataSegment(cursor: Cursor): Uint8Array | undefined {
  if (cursor.count("data segments") === 0) return undefined;
  const mode = cursor.u32();
  if (mode === 2) cursor.u32();
  if (mode !== 1) {
    for (let opcode = cursor.byte(); opcode !== 0x0b; opcode = cursor.byte()) {
      if (opcode === 0x43) cursor.skip(4);
      else if (opcode === 0x44) cursor.skip(8);
      else if (opcode === 0x41 || opcode === 0x42 || opcode === 0x23) cursor.skipLeb();
      else return undefined;
    }
  }
  return cursor.take(cursor.u32());
}
