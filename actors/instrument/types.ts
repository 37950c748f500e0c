import { fail } from "../../lattice/index.ts";
import { ByteReader } from "./bytes.ts";
import { limits } from "./options.ts";
import type { RefusedProposal } from "./proposals.ts";

export const I32 = 0x7f;

/** Value types of the accepted proposals: i32 i64 f32 f64 v128 funcref externref exnref. */
export function isValueType(code: number): boolean {
  return (code >= 0x7b && code <= 0x7f) || code === 0x70 || code === 0x6f || code === 0x69;
}

export function isReferenceType(code: number): boolean {
  return code === 0x70 || code === 0x6f || code === 0x69;
}

/** The proposal that a type which is not accepted belongs to. */
export function refusedType(code: number): RefusedProposal {
  switch (code) {
    case 0x63: // (ref null T)
    case 0x64: // (ref T)
    case 0x72: // noextern
    case 0x73: // nofunc
    case 0x74: // noexn
      return "function-references";
    case 0x6e: // any
    case 0x6d: // eq
    case 0x6c: // i31
    case 0x6b: // struct
    case 0x6a: // array
    case 0x71: // none
    case 0x77: // i16
    case 0x78: // i8
    case 0x5f: // a struct type
    case 0x5e: // an array type
    case 0x50: // a type with supertypes
    case 0x4f:
    case 0x4e: // a group of recursive types
      return "gc";
    case 0x67:
    case 0x66:
    case 0x62:
    case 0x61:
      return "stringref";
    case 0x5d: // a continuation type
    case 0x68: // cont
    case 0x75: // nocont
      return "stack-switching";
    case 0x65: // a shared type
      return "shared-everything";
    default:
      return "unknown-type";
  }
}

/** Reads one value type. @throws LatticeError MODULE_FEATURE_REFUSED for a type of no accepted proposal. */
export function valueType(reader: ByteReader, where: string): number {
  const code = reader.byte();
  if (!isValueType(code)) throw fail("MODULE_FEATURE_REFUSED", reader.file, refusedType(code), where);
  return code;
}

export function referenceType(reader: ByteReader, where: string): number {
  const code = valueType(reader, where);
  if (!isReferenceType(code)) throw reader.malformed(`${where} is not of a reference type`);
  return code;
}

export interface FunctionType {
  readonly parameters: readonly number[];
  readonly results: readonly number[];
}

/**
 * The type section. Only where each entry lies is kept, since a module may spend all its bytes on
 * parameters; an entry is read again when it is asked for.
 */
export class FunctionTypes {
  readonly length: number;
  /** By type. */
  readonly parameterCounts: Int32Array;
  readonly #starts: Int32Array;
  readonly #bytes: Uint8Array;

  /** @throws LatticeError MODULE_LIMIT, MODULE_FEATURE_REFUSED for anything but functions over accepted types. */
  constructor(reader: ByteReader) {
    this.length = reader.count("types", 2, limits.items);
    this.parameterCounts = new Int32Array(this.length);
    this.#starts = new Int32Array(this.length);
    this.#bytes = reader.bytes;
    for (let index = 0; index < this.length; index++) {
      const where = `type ${index}`;
      const form = reader.byte();
      if (form !== 0x60) throw fail("MODULE_FEATURE_REFUSED", reader.file, refusedType(form), where);
      this.#starts[index] = reader.at;
      this.parameterCounts[index] = skipValueTypes(reader, where);
      skipValueTypes(reader, where);
    }
  }

  at(index: number): FunctionType {
    const reader = new ByteReader(this.#bytes, "", this.#starts[index]);
    const read = () => Array.from({ length: reader.u32() }, () => reader.byte());
    return { parameters: read(), results: read() };
  }
}

function skipValueTypes(reader: ByteReader, where: string): number {
  const count = reader.count("value types", 1, limits.parameters);
  for (let left = count; left > 0; left--) valueType(reader, where);
  return count;
}

export function sameType(type: FunctionType, parameters: readonly number[], results: readonly number[]): boolean {
  return same(type.parameters, parameters) && same(type.results, results);
}

const same = (a: readonly number[], b: readonly number[]) =>
  a.length === b.length && a.every((code, index) => code === b[index]);
