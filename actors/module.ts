import { createHmac } from "node:crypto";
import { basename } from "node:path";
import { checkDates, fail, KeyPair, seedOf, verifyActorToken } from "../lattice/index.ts";
import type { Era, GuestLanguage, VerifiedActorClaims } from "../lattice/index.ts";
import { detectEra, guessCapabilities } from "./era-detection.ts";
import { fileHashes, isTokenSection, matchHash } from "./module-hash.ts";
import { readSections } from "./sections.ts";
import type { WasmFile } from "./sections.ts";
import { signModule } from "./signing.ts";
import { defaultMaxModuleBytes, readModuleFile } from "./sources.ts";

/** Whom a host believes. */
export interface Trust {
  /** Account keys (A) whose modules may run. Absent: any issuer; an empty list: none. */
  readonly issuers?: readonly string[];
  /** Default 64 MiB. */
  readonly maxModuleBytes?: number;
  /** The moment for the dates, in seconds since 1970. Default now. */
  readonly now?: number;
  /**
   * Development only: an unsigned module is signed on load by this account, which counts as allowed.
   * A pair, or its seed where trust crosses threads. A module with a bad token stays refused.
   */
  readonly development?: KeyPair | string;
}

export interface LoadOptions {
  /** What errors call the module, normally its file name. Default "the module". */
  readonly name?: string;
  readonly trust?: Trust;
}

/**
 * A verified actor module: its bytes are what the issuer signed, in its dates, by a key that this
 * host allows. Only `fromBytes` and `fromFile` make one, so unchecked bytes cannot reach a host.
 */
export class ActorModule {
  readonly claims: VerifiedActorClaims;
  readonly era: Era;
  readonly language: GuestLanguage;
  /** Parameters of the imported `__host_call`: 8, older 6 and 4; 0 when it is not imported. */
  readonly hostCallParameters: number;
  /** The signed file. Nobody changes it. */
  readonly bytes: Uint8Array;
  /** Lower-case hex SHA-256 of `bytes`: two modules are the same exactly when these are. */
  readonly digest: string;
  /** Where it came from, for messages. */
  readonly origin: string;
  /** True when it came unsigned and the development key signed it; say so loudly. */
  readonly signedForDevelopment: boolean;

  private constructor(bytes: Uint8Array, origin: string, trust: Trust) {
    const limit = trust.maxModuleBytes ?? defaultMaxModuleBytes;
    if (bytes.length > limit) throw fail("MODULE_TOO_LARGE", origin, bytes.length, limit);
    let wasm = readSections(bytes, origin);
    if (wasm.kind === "component") throw fail("MODULE_IS_COMPONENT", origin);
    let signed = bytes;
    const development = developmentPair(trust);
    this.signedForDevelopment = development !== undefined && !wasm.sections.some(isTokenSection);
    if (development !== undefined && this.signedForDevelopment) {
      signed = signForDevelopment(bytes, wasm, origin, development);
      wasm = readSections(signed, origin);
    }
    const { claims, digest } = verifyModule(signed, wasm, origin, trust, development?.publicKey);
    this.claims = claims;
    const profile = detectEra(signed, wasm, origin, this.claims);
    this.era = profile.era;
    this.language = profile.language;
    this.hostCallParameters = profile.hostCallParameters;
    this.bytes = signed;
    this.digest = digest;
    this.origin = origin;
  }

  /**
   * Verifies a module in memory. The bytes belong to it from now on: do not change them. Bytes in
   * shared memory are copied first.
   * @throws LatticeError MODULE_TOO_LARGE, MODULE_NOT_WASM, MODULE_MALFORMED, MODULE_LIMIT,
   * MODULE_IS_COMPONENT, MODULE_UNSIGNED, TOKENS_DIFFER, TOKEN_MALFORMED, TOKEN_KEY_KIND, TOKEN_KIND,
   * TOKEN_SIGNATURE_INVALID, MODULE_TAMPERED, MODULE_HASH_PARTIAL, TOKEN_EXPIRED, TOKEN_TOO_EARLY,
   * ISSUER_NOT_ALLOWED.
   */
  static fromBytes(bytes: Uint8Array, options: LoadOptions = {}): ActorModule {
    const own = bytes.buffer instanceof ArrayBuffer ? bytes : Uint8Array.from(bytes);
    return new ActorModule(own, options.name ?? "the module", options.trust ?? {});
  }

  /**
   * Reads and verifies a file. A file over the size limit is not read.
   * @throws LatticeError FILE_ABSENT, FILE_UNREADABLE and those of `fromBytes`.
   */
  static async fromFile(path: string, options: LoadOptions = {}): Promise<ActorModule> {
    const limit = options.trust?.maxModuleBytes ?? defaultMaxModuleBytes;
    const bytes = await readModuleFile(path, limit);
    return ActorModule.fromBytes(bytes, { ...options, name: options.name ?? basename(path) });
  }

  /**
   * Refuses when the dates of the token do not hold at this moment; the host asks again while the
   * actor runs. The next change is at `claims.expiresAt`.
   * @throws LatticeError TOKEN_EXPIRED, TOKEN_TOO_EARLY.
   */
  checkDates(nowSeconds?: number): void {
    checkDates(this.claims, nowSeconds, this.origin);
  }
}

/** The checks in the order of the reference, section 8; each has its own code. */
function verifyModule(
  bytes: Uint8Array,
  wasm: WasmFile,
  origin: string,
  trust: Trust,
  alsoAllowed: string | undefined,
): { readonly claims: VerifiedActorClaims; readonly digest: string } {
  const claims = verifyActorToken(readModuleToken(bytes, wasm, origin), origin);
  const { raw, digest } = fileHashes(bytes, wasm);
  const match = matchHash(bytes, wasm, claims.hash, origin, raw);
  if (match === "partial") throw fail("MODULE_HASH_PARTIAL", origin);
  if (match === "none") throw fail("MODULE_TAMPERED", origin);
  checkDates(claims, trust.now, origin);
  if (trust.issuers !== undefined && claims.issuer !== alsoAllowed && !trust.issuers.includes(claims.issuer))
    throw fail("ISSUER_NOT_ALLOWED", origin, claims.issuer);
  return { claims, digest };
}

/**
 * The token a module carries, unverified. Several sections are allowed as long as they agree.
 * @throws LatticeError MODULE_UNSIGNED, TOKENS_DIFFER.
 */
export function readModuleToken(bytes: Uint8Array, wasm: WasmFile, file: string): string {
  let token: string | undefined;
  for (const section of wasm.sections) {
    if (!isTokenSection(section)) continue;
    const text = Buffer.from(
      bytes.buffer,
      bytes.byteOffset + section.contentStart,
      section.end - section.contentStart,
    ).toString("latin1");
    if (token !== undefined && token !== text) throw fail("TOKENS_DIFFER", file);
    token = text;
  }
  if (token === undefined) throw fail("MODULE_UNSIGNED", file);
  return token;
}

function developmentPair(trust: Trust): KeyPair | undefined {
  const { development } = trust;
  return typeof development === "string" ? KeyPair.fromSeed(development, "account") : development;
}

/**
 * Signs an unsigned module with the capabilities it seems to use. The module's key is derived from
 * the account and the file's name, so that an actor under development keeps its identity.
 */
function signForDevelopment(bytes: Uint8Array, wasm: WasmFile, origin: string, issuer: KeyPair): Uint8Array {
  const name = basename(origin).replace(/\.wasm$/, "");
  const secret = createHmac("sha256", issuer.seed).update(`module:${name}`).digest();
  const { era } = detectEra(bytes, wasm, origin);
  return signModule(bytes, {
    issuer,
    module: KeyPair.fromSeed(seedOf("module", secret)),
    name,
    capabilities: guessCapabilities(bytes, wasm, era),
    tags: ["development"],
    file: origin,
  });
}
