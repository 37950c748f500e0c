import { createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { describe, fail, failFrom } from "../lattice/index.ts";

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
const blockBytes = 512;

export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/** By the magic of tar in the first header. */
export function isTar(bytes: Uint8Array): boolean {
  return bytes.length >= blockBytes && text(bytes, 257, 5) === "ustar";
}

/**
 * Reads an archive; at most 256 MiB unpacked. Verifies nothing.
 * @throws LatticeError ARCHIVE_MALFORMED.
 */
export function readArchive(bytes: Uint8Array, file: string): Archive {
  const tar = isGzip(bytes) ? unzip(bytes, file) : bytes;
  let token: string | undefined;
  const binaries = new Map<string, Uint8Array>();
  for (const [name, content] of entries(tar, file)) {
    if (name === "claims.jwt") token = Buffer.from(content).toString("latin1").trim();
    else if (name.endsWith(".bin")) binaries.set(name.slice(0, -".bin".length), content);
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

/** Real archives have NUL as type of plain files and NUL-filled modes, so only name, size and magic count. */
function* entries(tar: Uint8Array, file: string): Generator<[string, Uint8Array]> {
  let offset = 0;
  while (offset + blockBytes <= tar.length && tar[offset] !== 0) {
    if (!isTar(tar.subarray(offset))) throw fail("ARCHIVE_MALFORMED", file, `no tar header at offset ${offset}`);
    const size = readSize(tar.subarray(offset + 124, offset + 136));
    const start = offset + blockBytes;
    if (size === undefined || start + size > tar.length)
      throw fail("ARCHIVE_MALFORMED", file, `an entry at offset ${offset} is cut short`);
    yield [text(tar, offset, 100).replace(/^\.\//, ""), tar.subarray(start, start + size)];
    offset = start + Math.ceil(size / blockBytes) * blockBytes;
  }
}

/** Octal text; binary sizes (from 8 GiB) are beyond our bound and read as undefined. */
function readSize(field: Uint8Array): number | undefined {
  const digits = text(field, 0, 12).trim();
  return /^[0-7]{1,12}$/.test(digits) ? Number.parseInt(digits, 8) : undefined;
}

function text(bytes: Uint8Array, offset: number, length: number): string {
  const field = Buffer.from(bytes.buffer, bytes.byteOffset + offset, Math.min(length, bytes.length - offset));
  const end = field.indexOf(0);
  return field.toString("latin1", 0, end < 0 ? field.length : end);
}
