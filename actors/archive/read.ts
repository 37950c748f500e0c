import { createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { describe, fail, failFrom } from "../../lattice/index.ts";
import { tarEntries } from "./tar.ts";

/**
 * Provider archives (`.par`): a tar, gzipped or not, of `claims.jwt` and one binary per target.
 * Source: waPC and actors reference, section 9.
 */
export interface Archive {
  /** The token of `claims.jwt`; undefined when there is none. */
  readonly token: string | undefined;
  /** By target, for example `x86_64-linux`. Views. */
  readonly binaries: ReadonlyMap<string, Uint8Array>;
}

const maxUnpackedBytes = 256 * 1024 * 1024;
const tokenName = "claims.jwt";
const binarySuffix = ".bin";

export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/** A target is a part of a file name, so nothing that could lead elsewhere: letters, digits, `_`, `-`, `.` inside. */
export function isTarget(text: string): boolean {
  return /^[A-Za-z0-9_]+(?:[-.][A-Za-z0-9_]+)*$/.test(text) && text.length <= 80;
}

/**
 * Reads an archive; at most 256 MiB unpacked. Other files in it are passed over. Verifies nothing.
 * @throws LatticeError ARCHIVE_MALFORMED, also when a name stands twice.
 */
export function readArchive(bytes: Uint8Array, file: string): Archive {
  const tar = isGzip(bytes) ? unzip(bytes, file) : bytes;
  let token: string | undefined;
  const binaries = new Map<string, Uint8Array>();
  for (const [name, content] of tarEntries(tar, file)) {
    const target = name.endsWith(binarySuffix) ? name.slice(0, -binarySuffix.length) : undefined;
    if (name === tokenName ? token !== undefined : target !== undefined && binaries.has(target))
      throw fail("ARCHIVE_MALFORMED", file, `it holds ${JSON.stringify(name)} twice`);
    if (target !== undefined && !isTarget(target))
      throw fail("ARCHIVE_MALFORMED", file, `${JSON.stringify(name)} is not the name of a binary`);
    if (name === tokenName) token = Buffer.from(content).toString("latin1").trim();
    else if (target !== undefined) binaries.set(target, content);
  }
  return { token, binaries };
}

/** Upper-case hex SHA-256, as `target_hashes` has it. */
export function targetHash(binary: Uint8Array): string {
  return createHash("sha256").update(binary).digest("hex").toUpperCase();
}

function unzip(bytes: Uint8Array, file: string): Uint8Array {
  try {
    return gunzipSync(bytes, { maxOutputLength: maxUnpackedBytes });
  } catch (error) {
    throw failFrom(error, "ARCHIVE_MALFORMED", file, describe(error));
  }
}
