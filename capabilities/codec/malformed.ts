import { fail } from "../../lattice/index.ts";

/** Why bytes cannot be read. Only codecs see it; the contract that reads names the operation. */
export class Malformed extends Error {}

/** A reading error of an actor's request, as PAYLOAD_MALFORMED; other errors as they are. */
export function payloadError(operation: string, error: unknown): unknown {
  return error instanceof Malformed ? fail("PAYLOAD_MALFORMED", operation, error.message) : error;
}

/** A reading error of somebody's reply, as REPLY_MALFORMED; other errors as they are. */
export function replyError(who: string, operation: string, error: unknown): unknown {
  return error instanceof Malformed ? fail("REPLY_MALFORMED", who, operation, error.message) : error;
}
