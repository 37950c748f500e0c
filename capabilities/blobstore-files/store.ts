import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, lstat, mkdir, open, readdir, rename, rm, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { fail } from "../../lattice/index.ts";
import type { BlobStore, BlobWriter, ContainerInfo, ObjectInfo } from "../blobstore/store.ts";

/** Longest name of a file, in bytes: the least that usual file systems allow. */
const longestFileName = 255;
/** Where objects grow until they are whole; no container's name begins so. */
const growing = "%tmp";

/** What nobody wrote to for so long was left by a host that was killed. */
const abandonedMs = 3_600_000;

export interface FileBlobsOptions {
  /** Bytes of one object. */
  readonly objectBytes: number;
}

/**
 * A folder for each container, a file for each object. Names are escaped, so that none leads out of the
 * root; links in the file system are not followed. An object is written aside and renamed when it is
 * whole and on disk.
 */
export class FileBlobStore implements BlobStore {
  readonly name = "blob store in files";
  readonly #root: string;
  readonly #objectBytes: number;

  constructor(root: string, { objectBytes }: FileBlobsOptions) {
    this.#root = root;
    this.#objectBytes = objectBytes;
  }

  async createContainer(container: string): Promise<void> {
    await mkdir(this.#folder(container), { recursive: true, mode: 0o700 });
  }

  async removeContainer(container: string): Promise<boolean> {
    if (!(await this.container(container))) return false;
    // In one step out of sight, whatever is in it.
    const aside = await this.#aside();
    await rename(this.#folder(container), aside);
    await rm(aside, { recursive: true, force: true });
    return true;
  }

  async container(container: string): Promise<ContainerInfo | undefined> {
    const info = await absentAs(undefined, lstat(this.#folder(container)));
    return info?.isDirectory() ? { container, createdAt: info.birthtimeMs || info.ctimeMs } : undefined;
  }

  async containers(): Promise<ContainerInfo[]> {
    const entries = await absentAs([], readdir(this.#root, { withFileTypes: true }));
    const names = entries
      .filter((each) => each.isDirectory() && each.name !== growing)
      .map(({ name }) => unescape(name));
    const infos = await Promise.all(names.toSorted().map((name) => this.container(name)));
    return infos.filter((info) => info !== undefined);
  }

  async objects(container: string): Promise<ObjectInfo[] | undefined> {
    if (!(await this.container(container))) return undefined;
    const entries = await absentAs([], readdir(this.#folder(container), { withFileTypes: true }));
    const names = entries.filter((each) => each.isFile()).map(({ name }) => unescape(name));
    const infos = await Promise.all(names.toSorted().map((name) => this.object(container, name)));
    return infos.filter((info) => info !== undefined);
  }

  async object(container: string, id: string): Promise<ObjectInfo | undefined> {
    // A link in place of the container would lead elsewhere.
    if (!(await this.container(container))) return undefined;
    const info = await absentAs(undefined, lstat(this.#file(container, id)));
    return info?.isFile() ? { container, id, bytes: info.size, modifiedAt: info.mtimeMs } : undefined;
  }

  async removeObject(container: string, id: string): Promise<boolean> {
    if (!(await this.object(container, id))) return false;
    await unlink(this.#file(container, id));
    return true;
  }

  async read(container: string, id: string, start: number, end: number): Promise<Uint8Array | undefined> {
    const path = this.#file(container, id);
    const file = await absentAs(undefined, open(path, constants.O_RDONLY | constants.O_NOFOLLOW));
    if (!file) return undefined;
    try {
      const bytes = Buffer.alloc(end - start);
      let read = 0;
      while (read < bytes.length) {
        const { bytesRead } = await file.read(bytes, read, bytes.length - read, start + read);
        if (bytesRead === 0) break;
        read += bytesRead;
      }
      return bytes.subarray(0, read);
    } finally {
      await file.close();
    }
  }

  async write(container: string, id: string): Promise<BlobWriter> {
    if (!(await this.container(container))) throw fail("CONTAINER_ABSENT", container);
    const path = this.#file(container, id);
    const aside = await this.#aside();
    return new FileWriter(await open(aside, "wx", 0o600), aside, path, this.#objectBytes);
  }

  async #aside(): Promise<string> {
    const folder = join(this.#root, growing);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return join(folder, randomUUID());
  }

  #folder(container: string): string {
    return join(this.#root, escape(container));
  }

  #file(container: string, id: string): string {
    return join(this.#folder(container), escape(id));
  }
}

class FileWriter implements BlobWriter {
  size = 0;
  readonly #file: FileHandle;
  readonly #aside: string;
  readonly #path: string;
  readonly #most: number;

  constructor(file: FileHandle, aside: string, path: string, most: number) {
    this.#file = file;
    this.#aside = aside;
    this.#path = path;
    this.#most = most;
  }

  async append(bytes: Uint8Array): Promise<void> {
    if (this.size + bytes.length > this.#most)
      throw fail("PAYLOAD_TOO_LARGE", "the object", this.size + bytes.length, this.#most);
    let at = 0;
    while (at < bytes.length) {
      const { bytesWritten } = await this.#file.write(bytes, at, bytes.length - at, this.size + at);
      at += bytesWritten;
    }
    this.size += bytes.length;
  }

  async finish(): Promise<void> {
    await this.#file.sync();
    await this.#file.close();
    await rename(this.#aside, this.#path);
  }

  async cancel(): Promise<void> {
    await this.#file.close();
    await rm(this.#aside, { force: true });
  }
}

/** As URLs escape; dots too where a name is nothing else, and the name of our own folder cannot come out. */
function escape(name: string): string {
  const escaped = encodeURIComponent(name.toWellFormed()).replace(/^\.+$/, (dots) => "%2E".repeat(dots.length));
  if (Buffer.byteLength(escaped) > longestFileName)
    throw fail("PAYLOAD_TOO_LARGE", `the name ${name.slice(0, 40)}...`, Buffer.byteLength(escaped), longestFileName);
  return escaped;
}

function unescape(fileName: string): string {
  try {
    return decodeURIComponent(fileName);
  } catch {
    // Put there by somebody else; it is found under no name, but seen.
    return fileName;
  }
}

async function absentAs<T, D>(absent: D, work: Promise<T>): Promise<T | D> {
  try {
    return await work;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR" || code === "ELOOP" || code === "EISDIR") return absent;
    throw error;
  }
}

/** Makes the folder and clears what killed hosts left. @throws when it cannot be made. */
export async function prepareRoot(root: string): Promise<void> {
  await mkdir(root, { recursive: true, mode: 0o700 });
  if (!(await stat(root)).isDirectory()) throw new Error(`${root} is no folder`);
  const folder = join(root, growing);
  for (const name of await absentAs([], readdir(folder))) {
    const { mtimeMs } = await stat(join(folder, name)).catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY }));
    if (mtimeMs < Date.now() - abandonedMs) await rm(join(folder, name), { recursive: true, force: true });
  }
}
