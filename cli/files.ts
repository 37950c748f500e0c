import { closeSync, existsSync, openSync, readSync } from "node:fs";
import { resolve } from "node:path";
import { fail, failFrom, fileTrouble } from "../lattice/index.ts";
import type { Host } from "../host/index.ts";
import type { Progress } from "./progress.ts";

/** The most that is read of a file or of standard input, in bytes; devices have no end. */
const mostBytes = 1024 ** 3;

/** @throws LatticeError FILE_ABSENT, FILE_UNREADABLE, also for a file of more than `limit` bytes. */
export function readBytes(file: string, limit = mostBytes): Buffer {
  try {
    return readWhole(file, limit);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") throw fail("FILE_ABSENT", file);
    throw failFrom(error, "FILE_UNREADABLE", file, fileTrouble(error));
  }
}

function readWhole(file: string, limit: number): Buffer {
  const descriptor = openSync(file, "r");
  try {
    const chunks: Buffer[] = [];
    let total = 0;
    for (;;) {
      const chunk = Buffer.allocUnsafe(Math.min(2 ** 20, limit + 1 - total));
      const read = readSync(descriptor, chunk);
      if (read === 0) return Buffer.concat(chunks, total);
      chunks.push(chunk.subarray(0, read));
      total += read;
      if (total > limit) throw tooLarge(limit);
    }
  } finally {
    closeSync(descriptor);
  }
}

/** The bytes of a file, or of standard input for `-`. @throws LatticeError as `readBytes`. */
export async function readInput(file: string, limit = mostBytes): Promise<Buffer> {
  if (file !== "-") return readBytes(file, limit);
  const chunks: Buffer[] = [];
  let total = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    total += chunk.length;
    if (total > limit) throw fail("FILE_UNREADABLE", "standard input", tooLarge(limit).message);
  }
  return Buffer.concat(chunks, total);
}

function tooLarge(limit: number): Error {
  return new Error(`it has more than ${limit} bytes`);
}

/**
 * A module reference as the parameters of a verb: what only this process can read is sent along as
 * bytes, the rest the host fetches itself.
 */
export async function referenceParameters(reference: string): Promise<{ reference: string; bytes?: string }> {
  const { fetchModule, isBareOciReference, referenceKind } = await import("../actors/index.ts");
  if (referenceKind(reference) !== "file") return { reference };
  if (isBareOciReference(reference) && !existsSync(reference)) return { reference };
  const { bytes, origin } = await fetchModule(reference);
  return { reference: reference === "-" ? origin : resolve(origin), bytes: Buffer.from(bytes).toString("base64") };
}

/** The bytes of a module reference as the host fetches it, telling how far a transfer has come. @throws LatticeError as `fetchModule`. */
export async function fetchWithProgress(
  host: Host,
  reference: string,
  progress: Progress,
): Promise<{ bytes: Uint8Array; origin: string }> {
  progress.step(`Loading ${reference}`);
  const onProgress = (received: number, total: number | undefined) => {
    const share = total === undefined ? `${received} bytes` : `${Math.floor((received / total) * 100)} %`;
    progress.advance(`Loading ${reference}: ${share}`);
  };
  return host.fetch(reference, { onProgress });
}
