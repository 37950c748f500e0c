import { readFileSync } from "node:fs";
import { signModule } from "../../actors/index.ts";
import { type ActorMetadata, KeyPair } from "../../lattice/index.ts";
import { corpusGuest, guestBytes } from "./guest-corpus.ts";

const account = KeyPair.generate("account");

export interface Signature extends ActorMetadata {
  readonly name: string;
  /** Default: one account for all tests of a process. */
  readonly issuer?: KeyPair;
  /** Default: a key of its own for each module signed. */
  readonly module?: KeyPair;
}

/** The module signed anew, so that one file of bytes makes as many actors as a test wants. */
export function signed(bytes: Uint8Array, { issuer = account, module, ...metadata }: Signature): Uint8Array {
  return signModule(bytes, { ...metadata, issuer, module: module ?? KeyPair.generate("module"), file: metadata.name });
}

const edge = guestBytes(corpusGuest("edge"));

/**
 * An actor that does what each call asks of it: `Echo`, `Fail`, `Trap`, `Spin`, `Grow`, and `Call`,
 * whose payload `calling` makes. See `test/guests/c/edge.c`.
 */
export function obedient(signature: Signature): Uint8Array {
  return signed(edge, signature);
}

/** The payload of `Call`: the actor asks `target` this and answers what it gets, or `error: ` and why not. */
export function calling(target: string, operation: string, payload: Uint8Array | string = ""): Uint8Array {
  return Buffer.concat([Buffer.from(`default\n${target}\n${operation}\n`), Buffer.from(payload)]);
}

/** `calling`, from actor to actor: each asks the next of `targets`, the last one gets the operation. */
export function callingThrough(
  targets: readonly string[],
  operation: string,
  payload: Uint8Array | string = "",
): Uint8Array {
  const [first = "", ...rest] = targets;
  return rest.length === 0
    ? calling(first, operation, payload)
    : calling(first, "Call", callingThrough(rest, operation, payload));
}

/** A signed module of a file. */
export function fileBytes(path: string): Uint8Array {
  return readFileSync(path);
}
