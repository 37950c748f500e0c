import type { Era } from "../../lattice/index.ts";
import { replyError } from "../codec/malformed.ts";
import { type HttpReply, httpOperation } from "./contract.ts";
import { readHttpReply } from "./reply-decoder.ts";

/**
 * Decodes an actor's reply to an HTTP request, tolerantly; header values as text.
 * @throws LatticeError REPLY_MALFORMED
 */
export function decodeHttpReply(era: Era, bytes: Uint8Array): HttpReply {
  try {
    return readHttpReply(era, bytes, "utf8");
  } catch (error) {
    throw replyError("the actor", httpOperation(era), error);
  }
}
