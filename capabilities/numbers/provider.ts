import { randomUUID } from "node:crypto";
import { type Era, contractOf, fail } from "../../lattice/index.ts";
import { Fields } from "../codec/fields.ts";
import { Malformed, payloadError } from "../codec/malformed.ts";
import { reader } from "../codec/msgpack-reader.ts";
import { msgpack } from "../codec/msgpack-writer.ts";
import type { Provider, ProviderCall } from "../provider.ts";
import { random32, randomInRange } from "./draw.ts";
import { type Range, readRange, writeGenerated } from "./extras.ts";
import { nextInSequence } from "./sequence.ts";

/**
 * Random numbers, unique ids and a sequence: `NumberGen` of E4 and the extras of the eras before.
 * Sequence numbers are unique in the process and start again with it.
 * Source: waPC and actors reference, section 11.6.
 */
export function numberGenerator(): Provider {
  return {
    contractId: contractOf("numbers"),
    name: "number generator",
    stateless: true,
    handle({ contractId, operation, era, payload }: ProviderCall) {
      try {
        return generate(contractId, operation, era, payload);
      } catch (error) {
        throw payloadError(operation, error);
      }
    },
  };
}

function generate(contractId: string, operation: string, era: Era, payload: Uint8Array): Uint8Array {
  switch (operation) {
    case "NumberGen.GenerateGuid":
      msgpack.begin();
      msgpack.text(randomUUID());
      return msgpack.end();
    case "NumberGen.Random32":
      return bareInt(random32());
    case "NumberGen.RandomInRange": {
      const { min, max } = readMinMax(payload);
      if (min > max) throw new Malformed(`min ${min} is above max ${max}`);
      return bareInt(randomInRange(min, max));
    }
    case "RequestGuid":
      return writeGenerated(era, "guid", randomUUID());
    case "RequestSequence":
      return writeGenerated(era, "sequence", nextInSequence());
    case "RequestRandom":
      return writeGenerated(era, "random", belowMax(readRange(era, payload)));
    default:
      throw fail("OPERATION_UNKNOWN", contractId, operation);
  }
}

/** The extras leave `max` out, as the generators behind them did: actors used it as a length. */
function belowMax({ min, max }: Range): number {
  if (min > max) throw new Malformed(`min ${min} is above max ${max}`);
  return min === max ? min : randomInRange(min, max - 1);
}

const fields = new Fields(["min"], ["max"]);

function readMinMax(payload: Uint8Array): Range {
  const range = { min: 0, max: 0 };
  reader.open(payload);
  const count = reader.struct();
  const { keyed } = reader;
  for (let i = 0; i < count; i++) {
    const field = keyed ? reader.field(fields) : i;
    if (field !== 0 && field !== 1) reader.skip();
    else {
      const value = reader.int();
      if (value < 0 || value > 0xffff_ffff) throw new Malformed(`${value} has more than 32 bits`);
      range[field === 0 ? "min" : "max"] = value;
    }
  }
  reader.close();
  return range;
}

function bareInt(value: number): Uint8Array {
  msgpack.begin();
  msgpack.int(value);
  return msgpack.end();
}
