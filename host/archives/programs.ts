import { createHash } from "node:crypto";
import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { privateFolder, readPrivate, writeAtomically } from "../private-files.ts";

/**
 * The program as an executable file in `programs` of the state directory, named by its content, for this user
 * alone. What lies there already is read and hashed again, so that nobody can plant another.
 * @throws LatticeError FILE_UNREADABLE, FILE_UNWRITABLE.
 */
export async function unpackProgram(program: Uint8Array, stateDirectory: string): Promise<string> {
  const folder = join(stateDirectory, "programs");
  await privateFolder(folder);
  const path = join(folder, digestOf(program));
  const kept = await readPrivate(path, program.length).catch(() => undefined);
  if (kept === undefined || digestOf(kept) !== digestOf(program)) await writeAtomically(path, program);
  await chmod(path, 0o700);
  return path;
}

function digestOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
