import { type MsgpackValue, pack, unpack } from "../../lattice/index.ts";
import { type CborValue, decodeCbor, encodeCbor } from "../codec/cbor.ts";
import { Malformed } from "../codec/malformed.ts";

/**
 * Structures of the contract's E4 form. Interfaces until 0.7 write CBOR behind one byte, structures as
 * arrays in the order given here; later ones write MessagePack maps. An answer is in the form of its
 * request. Source: waPC and actors reference, sections 11.7 and 11.9.
 */
export interface Struct {
  readonly fields: readonly (string | { readonly name: string; readonly of: Struct | List })[];
}
export interface List {
  readonly items: Struct;
}
/** `plain`: text, a truth value, or a list of texts, as they are. */
export type Form = "plain" | Struct | List;

export const structOf = (...fields: Struct["fields"]): Struct => ({ fields });
export const listOf = (items: Struct): List => ({ items });

export const timestampForm = structOf("sec", "nsec");
export const chunkForm = structOf("objectId", "containerId", "bytes", "offset", "isLast");
export const containerForm = structOf("containerId", { name: "createdAt", of: timestampForm });
export const objectForm = structOf(
  "objectId",
  "containerId",
  "contentLength",
  { name: "lastModified", of: timestampForm },
  "contentType",
  "contentEncoding",
);
export const itemResultsForm = listOf(structOf("key", "success", "error"));

const cborPrefix = 0x7f;

export function isCbor(payload: Uint8Array): boolean {
  return payload[0] === cborPrefix;
}

/** Decodes one request; undefined for none. @throws Malformed, LatticeError PAYLOAD_MALFORMED. */
export function decode(operation: string, payload: Uint8Array, form: Form): unknown {
  if (!isCbor(payload)) return payload.length === 0 ? undefined : unpack(payload, operation);
  return payload.length === 1 ? undefined : named(decodeCbor(payload.subarray(1)), form);
}

/** Encodes one value; undefined is an operation without an answer. */
export function encode(value: unknown, form: Form, cbor: boolean): Uint8Array {
  if (value === undefined) return new Uint8Array(0);
  return cbor ? encodeCbor(positional(value, form), [cborPrefix]) : pack(value as MsgpackValue);
}

function named(value: CborValue, form: Form): unknown {
  if (form === "plain") return value;
  if (!isList(value)) throw new Malformed("it holds no structure");
  if ("items" in form) return value.map((each) => named(each, form.items));
  const members = form.fields.flatMap((field, i) => {
    const member = value[i] ?? undefined;
    if (member === undefined) return [];
    return typeof field === "string" ? [[field, member]] : [[field.name, named(member, field.of)]];
  });
  return Object.fromEntries(members) as unknown;
}

function positional(value: unknown, form: Form): CborValue {
  if (form === "plain") return value as CborValue;
  if ("items" in form) return (value as readonly unknown[]).map((each) => positional(each, form.items));
  const members = value as Readonly<Record<string, unknown>>;
  return form.fields.map((field) => {
    const member = members[typeof field === "string" ? field : field.name] ?? null;
    return typeof field === "string" || member === null ? (member as CborValue) : positional(member, field.of);
  });
}

function isList(value: CborValue): value is readonly CborValue[] {
  return Array.isArray(value);
}
