import { fail } from "../../lattice/index.ts";

/** As much of tar as archives use: plain files with short names. Source: POSIX ustar; GNU tar 1.34 manual, "Basic Tar Format". */

const blockBytes = 512;

/** By the magic of tar in the first header. */
export function isTar(bytes: Uint8Array): boolean {
  return bytes.length >= blockBytes && text(bytes, 257, 5) === "ustar";
}

/**
 * The files of a tar in order; contents are views. Real archives have NUL as type of plain files and
 * NUL-filled modes, so only name, size and magic count.
 * @throws LatticeError ARCHIVE_MALFORMED.
 */
export function* tarEntries(tar: Uint8Array, file: string): Generator<readonly [name: string, content: Uint8Array]> {
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

/** A tar of these files; the same files give the same bytes. Names have at most 99 ASCII characters. */
export function writeTar(files: readonly (readonly [name: string, content: Uint8Array, mode: number])[]): Uint8Array {
  const pieces = files.flatMap(([name, content, mode]) => {
    const padding = new Uint8Array((blockBytes - (content.length % blockBytes)) % blockBytes);
    return [header(name, content.length, mode), content, padding];
  });
  return new Uint8Array(Buffer.concat([...pieces, new Uint8Array(2 * blockBytes)]));
}

function header(name: string, size: number, mode: number): Uint8Array {
  const block = Buffer.alloc(blockBytes);
  const octal = (value: number, at: number, length: number) =>
    block.write(`${value.toString(8).padStart(length - 1, "0")}\0`, at, "latin1");
  block.write(name, 0, 99, "latin1");
  octal(mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(0, 136, 12);
  block.write("        0", 148, "latin1");
  block.write("ustar\x0000", 257, "latin1");
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
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
