import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { buffer } from "node:stream/consumers";
import { describe, fail, failFrom } from "../lattice/index.ts";
import type { Host } from "../host/index.ts";
import type { Progress } from "./progress.ts";

/** @throws LatticeError FILE_ABSENT, FILE_UNREADABLE. */
export function readBytes(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") throw fail("FILE_ABSENT", file);
    throw failFrom(error, "FILE_UNREADABLE", file, describe(error));
  }
}

/** The bytes of a file, or of standard input for `-`. */
export async function readInput(file: string): Promise<Buffer> {
  return file === "-" ? buffer(process.stdin) : readBytes(file);
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
