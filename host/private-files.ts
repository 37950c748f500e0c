import { randomBytes } from "node:crypto";
import { type FileHandle, chmod, link, lstat, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { describe, failFrom, fail } from "../lattice/index.ts";

/**
 * Files that only this user may read and that are whole or absent: written beside their place,
 * brought to the disk, then renamed. A crash at any moment leaves the old file or the new one.
 */

/** Temporary files older than this belong to nobody any more. */
const abandonedMs = 10 * 60_000;
/** Broken files kept of one name, for whoever wants to look. */
const mostSetAside = 5;

/**
 * Makes a folder of mode 0700 and clears what broken writes left in it.
 * @throws LatticeError FILE_UNREADABLE when it cannot be made or is somebody else's.
 */
export async function privateFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const info = await stat(folder);
    if (info.uid !== (process.getuid?.() ?? info.uid)) throw new Error(`it belongs to user ${info.uid}`);
    if ((info.mode & 0o077) !== 0) await chmod(folder, 0o700);
    for (const name of await readdir(folder)) {
      if (!name.startsWith(".") || !name.endsWith(".tmp")) continue;
      const path = join(folder, name);
      const { mtimeMs } = await lstat(path).catch(() => ({ mtimeMs: Infinity }));
      if (Date.now() - mtimeMs > abandonedMs) await rm(path, { force: true });
    }
  } catch (error) {
    throw failFrom(error, "FILE_UNREADABLE", folder, describe(error));
  }
}

/** Replaces the file at `path`, mode 0600. Its folder must exist. */
export async function writeAtomically(path: string, content: string | Uint8Array): Promise<void> {
  await written(path, content, (temporary) => rename(temporary, path));
}

/** Writes the file only where there is none yet; false when there is one. */
export async function writeOnce(path: string, content: string | Uint8Array): Promise<boolean> {
  let made = true;
  await written(path, content, async (temporary) => {
    try {
      await link(temporary, path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      made = false;
    }
    await rm(temporary, { force: true });
  });
  return made;
}

/**
 * The content of a file, `undefined` when there is none. One that others may read is closed to them.
 * @throws LatticeError FILE_UNREADABLE when it is larger than `mostBytes`, or the system refuses.
 */
export async function readPrivate(path: string, mostBytes: number): Promise<Buffer | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw failFrom(error, "FILE_UNREADABLE", path, describe(error));
  }
  try {
    const { size, mode } = await file.stat();
    if (size > mostBytes) throw fail("FILE_UNREADABLE", path, `it has ${size} bytes, at most ${mostBytes} are read`);
    // Not ours to change when this fails; reading it is still right.
    if ((mode & 0o077) !== 0) await file.chmod(0o600).catch(() => {});
    return await file.readFile();
  } catch (error) {
    throw failFrom(error, "FILE_UNREADABLE", path, describe(error));
  } finally {
    await file.close();
  }
}

/** Moves a broken file out of the way, to `NAME.broken-TIME`, and answers where it lies now. */
export async function setAside(path: string): Promise<string> {
  const prefix = `${basename(path)}.broken-`;
  const when = new Date().toISOString().replaceAll(/[:.]/g, "-");
  const aside = join(dirname(path), `${prefix}${when}-${randomBytes(3).toString("hex")}`);
  await rename(path, aside);
  const older = (await readdir(dirname(path)))
    .filter((name) => name.startsWith(prefix))
    .toSorted((a, b) => (a < b ? -1 : 1));
  for (const name of older.slice(0, -mostSetAside)) await rm(join(dirname(path), name), { force: true });
  return aside;
}

async function written(
  path: string,
  content: string | Uint8Array,
  place: (temporary: string) => Promise<void>,
): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString("hex")}.tmp`);
  try {
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await place(temporary);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw error;
  }
  await syncFolder(dirname(path));
}

/** The new name must reach the disk too; systems that cannot sync a folder do so on their own. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r").catch(() => undefined);
  await handle?.sync().catch(() => {});
  await handle?.close();
}
