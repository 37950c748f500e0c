import { gzipSync } from "node:zlib";
import { describeKind, encodeToken, fail, isPublicKey } from "../../lattice/index.ts";
import type { KeyPair } from "../../lattice/index.ts";
import { isGzip, isTarget, targetHash } from "./read.ts";
import { writeTar } from "./tar.ts";
import { verifyContent } from "./verify.ts";

export interface ArchiveMetadata {
  readonly name: string;
  readonly contractId: string;
  readonly vendor: string;
  readonly revision?: number | undefined;
  readonly version?: string | undefined;
  /** JSON schema of link values, as parsed JSON. */
  readonly configSchema?: unknown;
  /** Whether a module for Node may use the network. Default false; programs may anyway. */
  readonly network?: boolean;
  readonly expiresAt?: number | undefined;
  readonly notBefore?: number | undefined;
}

export interface MakeArchiveOptions extends ArchiveMetadata {
  /** The account that signs (A). */
  readonly issuer: KeyPair;
  /** Who the provider is: a V key. */
  readonly subject: string;
  /** By target, for example `x86_64-linux`. */
  readonly binaries: ReadonlyMap<string, Uint8Array>;
  /** Gzipped. Default false. */
  readonly compress?: boolean;
}

/**
 * A signed archive, as the real wash writes and reads it.
 * @throws LatticeError KEY_WRONG_KIND, OPTION_OUT_OF_RANGE for a target that cannot be one.
 */
export function makeArchive(options: MakeArchiveOptions): Uint8Array {
  const { issuer, subject, binaries } = options;
  if (issuer.kind !== "account") throw fail("KEY_WRONG_KIND", describeKind("account"), describeKind(issuer.kind));
  if (!isPublicKey(subject, "service")) throw fail("KEY_WRONG_KIND", describeKind("service"), `${subject[0]}...`);
  const targets = [...binaries].toSorted(([a], [b]) => (a < b ? -1 : 1));
  for (const [target] of targets) {
    if (!isTarget(target)) throw fail("OPTION_OUT_OF_RANGE", "target", target, "ARCH-OS, for example x86_64-linux");
  }
  const metadata = {
    name: options.name,
    capid: options.contractId,
    vendor: options.vendor,
    rev: options.revision,
    ver: options.version,
    target_hashes: Object.fromEntries(targets.map(([target, binary]) => [target, targetHash(binary)])),
    config_schema: options.configSchema,
    network: options.network === true ? true : undefined,
  };
  const { expiresAt, notBefore } = options;
  const token = encodeToken({ subject, metadata, expiresAt, notBefore }, issuer);
  const tar = writeTar([
    ["claims.jwt", Buffer.from(token), 0o644],
    ...targets.map(([target, binary]) => [`${target}.bin`, binary, 0o755] as const),
  ]);
  return options.compress === true ? new Uint8Array(gzipSync(tar)) : tar;
}

/**
 * The archive with one binary more, or another for a target it had; signed anew, everything else as it was.
 * What stands in it already must be what was signed; it may have expired.
 * @throws LatticeError as `verifyArchive`, dates and issuers apart.
 */
export function insertBinary(
  archive: Uint8Array,
  target: string,
  binary: Uint8Array,
  { issuer, subject, name }: { readonly issuer: KeyPair; readonly subject?: string; readonly name?: string },
): Uint8Array {
  const { claims, binaries } = verifyContent(archive, name ?? "the archive");
  return makeArchive({
    ...claims,
    issuer,
    subject: subject ?? claims.key,
    binaries: new Map([...binaries, [target, binary]]),
    compress: isGzip(archive),
  });
}
