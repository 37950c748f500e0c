import { createHash } from "node:crypto";
import { readdir, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { privateFolder, readPrivate, setAside, writeOnce } from "./private-files.ts";
import type { Warn } from "./state-store.ts";

export interface ModuleCacheBounds {
  /** Bytes of all modules together. Default 1 GiB. */
  readonly totalBytes?: number;
  /** Largest module. Default 64 MiB. */
  readonly moduleBytes?: number;
}

/**
 * Bytes of modules by digest, so that what ran can run again while its source is away. What is read
 * is hashed again: a file that changed is set aside and counts as absent. Beyond the bound those
 * used longest ago go first.
 */
export class ModuleCache {
  readonly folder: string;
  readonly #warn: Warn;
  readonly #totalBytes: number;
  readonly #moduleBytes: number;

  private constructor(folder: string, warn: Warn, bounds: ModuleCacheBounds) {
    this.folder = folder;
    this.#warn = warn;
    this.#totalBytes = bounds.totalBytes ?? 1024 ** 3;
    this.#moduleBytes = bounds.moduleBytes ?? 64 * 1024 ** 2;
  }

  /** Keeps modules in `modules` of the state directory. */
  static async open(stateFolder: string, warn: Warn, bounds: ModuleCacheBounds = {}): Promise<ModuleCache> {
    const folder = join(stateFolder, "modules");
    await privateFolder(folder);
    return new ModuleCache(folder, warn, bounds);
  }

  /** Keeps `bytes` and answers their digest: hex SHA-256. What is too large is not kept, the digest is the same. */
  async put(bytes: Uint8Array): Promise<string> {
    const digest = digestOf(bytes);
    if (bytes.length > Math.min(this.#moduleBytes, this.#totalBytes)) return digest;
    await writeOnce(this.#path(digest), bytes);
    await this.#prune(digest);
    return digest;
  }

  /** The bytes of `digest`, checked, or `undefined`. */
  async get(digest: string): Promise<Uint8Array | undefined> {
    if (!/^[0-9a-f]{64}$/.test(digest)) return undefined;
    const path = this.#path(digest);
    const bytes = await readPrivate(path, this.#moduleBytes);
    if (!bytes) return undefined;
    if (digestOf(bytes) !== digest) {
      this.#warn(`the kept module ${path} has changed; it lies in ${await setAside(path)} now`);
      return undefined;
    }
    const now = new Date();
    await utimes(path, now, now).catch(() => {});
    return bytes;
  }

  async #prune(spared: string): Promise<void> {
    const files = await Promise.all(
      (await readdir(this.folder)).map(async (name) => {
        const path = join(this.folder, name);
        const { size, mtimeMs } = await stat(path).catch(() => ({ size: 0, mtimeMs: 0 }));
        return { path, size, mtimeMs };
      }),
    );
    let total = files.reduce((sum, { size }) => sum + size, 0);
    for (const { path, size } of files.toSorted((a, b) => a.mtimeMs - b.mtimeMs)) {
      if (total <= this.#totalBytes) return;
      if (path === this.#path(spared)) continue;
      await rm(path, { force: true });
      total -= size;
    }
  }

  #path(digest: string): string {
    return join(this.folder, `${digest}.wasm`);
  }
}

export const digestOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
