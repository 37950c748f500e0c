import type { Era } from "../../lattice/index.ts";
import { Fields } from "../codec/fields.ts";
import { Malformed } from "../codec/malformed.ts";
import { type MsgpackReader, reader } from "../codec/msgpack-reader.ts";
import { ProtobufReader } from "../codec/protobuf.ts";
import { shapeOf } from "../codec/shape.ts";
import type { Value } from "./store.ts";

/** Parameters of every key-value operation; each uses its own few. */
export interface Parameters {
  key: string;
  value: Value;
  /** The number that `value` is in Add and Increment. */
  amount: number;
  expires: number;
  start: number;
  stop: number;
  keys: string[];
}

export type Parameter = keyof Parameters;

/** How an operation's request is laid out. */
export interface RequestForm {
  /** In the order of the arrays of E1 and the field numbers of E0. */
  readonly parameters: readonly Parameter[];
  /** E4 passes a single parameter bare. */
  readonly bare: boolean;
}

/** The index of `names` is the index in `order`; `value` is a number or a text by operation. */
const order = ["key", "value", "expires", "start", "stop", "keys"] as const;
const names = new Fields(
  ["key", "listName", "list_name", "setName", "set_name"],
  ["value"],
  ["expires", "expires_s", "expiresS"],
  ["start"],
  ["stop"],
  ["keys"],
);

/**
 * Reads an operation's parameters from whatever form the caller's era gives them; what is missing is
 * empty or 0. Source: waPC and actors reference, sections 4 and 11.3.
 * @throws Malformed
 */
export function readParameters(form: RequestForm, era: Era, payload: Uint8Array): Parameters {
  const found: Parameters = { key: "", value: "", amount: 0, expires: 0, start: 0, stop: 0, keys: [] };
  if (shapeOf(era) === "protobuf") readProtobuf(form, payload, found);
  else {
    reader.open(payload);
    if (form.bare) readBare(form.parameters[0]!, reader, found);
    else readStruct(form, reader, found);
    reader.close();
  }
  return found;
}

function readStruct({ parameters }: RequestForm, from: MsgpackReader, found: Parameters): void {
  const count = from.struct();
  const { keyed } = from;
  const counts = parameters[1] === "amount";
  for (let i = 0; i < count; i++) {
    const parameter = keyed ? order[from.field(names)] : parameters[i];
    if (parameter === "value" && counts) found.amount = int32(from.int());
    else readParameter(parameter, from, found);
  }
}

/** A single parameter stands alone; one wrapped in a struct after all is read as well. */
function readBare(parameter: Parameter, from: MsgpackReader, found: Parameters): void {
  const wrapped = from.atMap() || (parameter !== "keys" && from.atArray());
  if (wrapped) readStruct({ parameters: [parameter], bare: false }, from, found);
  else readParameter(parameter, from, found);
}

function readParameter(parameter: Parameter | undefined, from: MsgpackReader, found: Parameters): void {
  switch (parameter) {
    case "key":
      found.key = from.text();
      break;
    case "value":
      found.value = from.textOrBytes();
      break;
    case "keys":
      found.keys = from.texts();
      break;
    case "amount":
    case "expires":
    case "start":
    case "stop":
      found[parameter] = int32(from.int());
      break;
    case undefined:
      from.skip();
      break;
    default:
      parameter satisfies never;
  }
}

/** Field numbers of E0 are places in the list of parameters, counted from 1. */
function readProtobuf({ parameters }: RequestForm, payload: Uint8Array, found: Parameters): void {
  const message = new ProtobufReader(payload);
  for (let field = message.next(); field !== 0; field = message.next()) {
    const parameter = parameters[field - 1];
    switch (parameter) {
      case "key":
      case "value":
        found[parameter] = message.text();
        break;
      case "keys":
        found.keys.push(message.text());
        break;
      case "amount":
      case "expires":
      case "start":
      case "stop":
        found[parameter] = message.int32();
        break;
      case undefined:
        break;
      default:
        parameter satisfies never;
    }
  }
}

/** `expires` of E4 has 32 bits without a sign, everything else has one. */
function int32(value: number): number {
  if (value < -(2 ** 31) || value > 2 ** 32 - 1) throw new Malformed(`${value} has more than 32 bits`);
  return value;
}
