import { createHash } from "node:crypto";
import { chmod } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { privateFolder, readPrivate, writeAtomically } from "../private-files.ts";

/**
 * The program as an executable file in `programs` of the state directory, named by its content, for this user
 * alone. What lies there already is read and hashed again, so that nobody can plant another.
 * @throws LatticeError FILE_UNREADABLE, FILE_UNWRITABLE.
 */
export async function unpackProgram(program: Uint8Array, stateDirectory: string, ending = ""): Promise<string> {
  const path = programPath(program, stateDirectory, ending);
  await privateFolder(dirname(path));
  const kept = await readPrivate(path, program.length).catch(() => undefined);
  if (kept === undefined || digestOf(kept) !== digestOf(program)) await writeAtomically(path, program);
  await chmod(path, 0o700);
  return path;
}

/** Where `unpackProgram` puts it. */
export function programPath(program: Uint8Array, stateDirectory: string, ending = ""): string {
  return resolve(stateDirectory, "programs", digestOf(program) + ending);
}

function digestOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
