import { arch, platform } from "node:process";
import { checkDates, fail, verifyProviderToken } from "../../lattice/index.ts";
import type { ProviderClaims } from "../../lattice/index.ts";
import type { LoadOptions } from "../module.ts";
import { defaultMaxModuleBytes } from "../sources.ts";
import { readArchive, targetHash } from "./read.ts";

declare const verified: unique symbol;

/**
 * An archive whose token is signed by an account that this host allows, in its dates, and each of whose
 * binaries is the one that was signed. Only `verifyArchive` makes one.
 */
export interface VerifiedArchive {
  readonly claims: ProviderClaims;
  /** By target. Views. */
  readonly binaries: ReadonlyMap<string, Uint8Array>;
  /** What errors call it. */
  readonly origin: string;
  readonly [verified]: true;
}

/**
 * Checks what no host of the 0.x years checked: signature, issuer and dates of the token before its hashes are
 * believed. Source: waPC and actors reference, section 9.
 * @throws LatticeError MODULE_TOO_LARGE, ARCHIVE_MALFORMED, TOKEN_MALFORMED, TOKEN_KEY_KIND,
 * TOKEN_SIGNATURE_INVALID, TOKEN_EXPIRED, TOKEN_TOO_EARLY, ISSUER_NOT_ALLOWED, ARCHIVE_TAMPERED.
 */
export function verifyArchive(bytes: Uint8Array, options: LoadOptions = {}): VerifiedArchive {
  const { name: origin = "the archive", trust = {} } = options;
  const limit = trust.maxModuleBytes ?? defaultMaxModuleBytes;
  if (bytes.length > limit) throw fail("MODULE_TOO_LARGE", origin, bytes.length, limit);
  const archive = verifyContent(bytes, origin);
  checkDates(archive.claims, trust.now, origin);
  if (trust.issuers !== undefined && !trust.issuers.includes(archive.claims.issuer))
    throw fail("ISSUER_NOT_ALLOWED", origin, archive.claims.issuer);
  return { ...archive, origin } as VerifiedArchive;
}

/** Signature and hashes: all that does not depend on who looks, and when. @throws LatticeError as `verifyArchive`. */
export function verifyContent(bytes: Uint8Array, origin: string): Pick<VerifiedArchive, "claims" | "binaries"> {
  const { token, binaries } = readArchive(bytes, origin);
  if (token === undefined) throw fail("ARCHIVE_MALFORMED", origin, "it has no claims.jwt");
  if (binaries.size === 0) throw fail("ARCHIVE_MALFORMED", origin, "it has no binary");
  const claims = verifyProviderToken(token, origin);
  for (const [target, binary] of binaries)
    if (claims.targetHashes.get(target) !== targetHash(binary)) throw fail("ARCHIVE_TAMPERED", origin, target);
  return { claims, binaries };
}

/** @throws LatticeError ARCHIVE_TARGET_ABSENT naming those that there are. */
export function binaryOf({ binaries, origin }: VerifiedArchive, target: string = ownTarget()): Uint8Array {
  const binary = binaries.get(target);
  if (binary === undefined) throw fail("ARCHIVE_TARGET_ABSENT", origin, target, [...binaries.keys()].join(", "));
  return binary;
}

/** This machine as archives name it, for example `x86_64-linux`. */
export function ownTarget(): string {
  const machines: Readonly<Record<string, string>> = { x64: "x86_64", arm64: "aarch64", ia32: "x86" };
  const systems: Readonly<Record<string, string>> = { darwin: "macos", win32: "windows" };
  return `${machines[arch] ?? arch}-${systems[platform] ?? platform}`;
}
