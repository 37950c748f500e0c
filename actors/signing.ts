import { createHash } from "node:crypto";
import { describeKind, encodeActorToken, fail, isPublicKey } from "../lattice/index.ts";
import type { ActorMetadata, KeyPair } from "../lattice/index.ts";
import { withoutTokens } from "./module-hash.ts";
import { concatBytes, encodeU32, sectionId } from "./sections.ts";

/** Name and content of the section that carries the token. Source: waPC and actors reference, section 5.1. */
const tokenSection = "wasmcloud_jwt";

export interface SignOptions extends ActorMetadata {
  /** The account that signs (A). */
  readonly issuer: KeyPair;
  /** Who the module is: an M key, or its pair. Keep it across builds and the actor keeps its identity. */
  readonly module: KeyPair | string;
  /** For errors. Default "the module". */
  readonly file?: string;
}

/**
 * The signed module: every earlier token replaced (also those of nested modules in a component),
 * section lengths minimal, the token last. The real wash accepts it. `bytes` stays as it is.
 * @throws LatticeError MODULE_NOT_WASM, MODULE_MALFORMED, MODULE_LIMIT, KEY_WRONG_KIND, OPTION_OUT_OF_RANGE.
 */
export function signModule(bytes: Uint8Array, options: SignOptions): Uint8Array {
  const { issuer, module, file = "the module" } = options;
  const subject = typeof module === "string" ? module : module.publicKey;
  if (issuer.kind !== "account") throw fail("KEY_WRONG_KIND", describeKind("account"), describeKind(issuer.kind));
  if (!isPublicKey(subject, "module")) throw fail("KEY_WRONG_KIND", describeKind("module"), `${subject[0]}...`);
  const plain = withoutTokens(bytes, file);
  const hash = createHash("sha256").update(plain).digest("hex").toUpperCase();
  return appendToken(plain, encodeActorToken(subject, hash, options, issuer));
}

/** `plain` followed by a custom section with the token. */
export function appendToken(plain: Uint8Array, token: string, name: string = tokenSection): Uint8Array {
  const title = Buffer.from(name);
  const content = Buffer.from(token);
  const titleLength = encodeU32(title.length);
  const length = encodeU32(titleLength.length + title.length + content.length);
  return concatBytes([plain, Uint8Array.of(sectionId.custom), length, titleLength, title, content]);
}
