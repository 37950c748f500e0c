import type { Era } from "../../lattice/index.ts";
import { Fields } from "../codec/fields.ts";
import { Malformed } from "../codec/malformed.ts";
import { type MsgpackReader, reader } from "../codec/msgpack-reader.ts";
import { msgpack } from "../codec/msgpack-writer.ts";
import { ProtobufReader, protobuf } from "../codec/protobuf.ts";
import { shapeOf } from "../codec/shape.ts";

/** What the extras of E0 to E3 give; the index is the variant's in E1, one less than the field's in E0. */
export const kinds = ["guid", "sequence", "random"] as const;
export type Kind = (typeof kinds)[number];

export interface Range {
  min: number;
  max: number;
}

const fields = new Fields(["min"], ["max"], ["typ"]);

/**
 * Reads the range of a request for a random number. E0: fields 2 and 3; E1: `[{2: [min, max]}]`;
 * E2 and E3: a map with `min` and `max`. Source: waPC and actors reference, section 11.6.
 * @throws Malformed
 */
export function readRange(era: Era, payload: Uint8Array): Range {
  if (shapeOf(era) === "protobuf") return readProtobuf(payload);
  const range = { min: 0, max: 0 };
  reader.open(payload);
  const count = reader.struct();
  const { keyed } = reader;
  for (let i = 0; i < count; i++) {
    switch (keyed ? reader.field(fields) : 2) {
      case 0:
        range.min = uint32(reader.int());
        break;
      case 1:
        range.max = uint32(reader.int());
        break;
      case 2:
        readVariant(reader, range);
        break;
      default:
        reader.skip();
    }
  }
  reader.close();
  return range;
}

/** `{2: [min, max]}`; the other variants, and anything else, hold no range. */
function readVariant(from: MsgpackReader, range: Range): void {
  if (!from.atMap()) return from.skip();
  for (let left = from.map(); left > 0; left--) {
    from.skip();
    if (!from.atArray()) {
      from.skip();
      continue;
    }
    const count = from.array();
    for (let i = 0; i < count; i++) {
      if (i === 0) range.min = uint32(from.int());
      else if (i === 1) range.max = uint32(from.int());
      else from.skip();
    }
  }
}

function readProtobuf(payload: Uint8Array): Range {
  const range = { min: 0, max: 0 };
  const message = new ProtobufReader(payload);
  for (let field = message.next(); field !== 0; field = message.next()) {
    if (field === 2) range.min = uint32(message.number());
    else if (field === 3) range.max = uint32(message.number());
  }
  return range;
}

function uint32(value: number): number {
  if (value < 0 || value > 0xffff_ffff) throw new Malformed(`${value} has more than 32 bits`);
  return value;
}

/**
 * Writes the one thing asked for. E0: field 1, 2 or 3; E1: `[{variant: value}]`; E2 and E3: a map
 * that holds every field in both spellings, since guests of E3 fail when either is missing.
 */
export function writeGenerated(era: Era, kind: Kind, value: string | number): Uint8Array {
  const variant = kinds.indexOf(kind);
  const shape = shapeOf(era);
  switch (shape) {
    case "protobuf":
      protobuf.begin();
      if (typeof value === "string") protobuf.text(1, value);
      else protobuf.oneof(variant + 1, value);
      return protobuf.end();
    case "array":
      msgpack.begin();
      msgpack.array(1);
      msgpack.map(1);
      msgpack.int(variant);
      if (typeof value === "string") msgpack.text(value);
      else msgpack.int(value);
      return msgpack.end();
    case "map": {
      msgpack.begin();
      msgpack.map(5);
      msgpack.text("guid");
      if (typeof value === "string") msgpack.text(value);
      else msgpack.nil();
      for (const [name, its] of spellings) {
        msgpack.text(name);
        msgpack.int(its === kind && typeof value === "number" ? value : 0);
      }
      return msgpack.end();
    }
    default:
      return shape satisfies never;
  }
}

const spellings = [
  ["sequenceNumber", "sequence"],
  ["randomNumber", "random"],
  ["sequence_number", "sequence"],
  ["random_number", "random"],
] as const;
