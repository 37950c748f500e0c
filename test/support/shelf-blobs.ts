import { createHash } from "node:crypto";
import { fail } from "../../lattice/errors.ts";
import type { BlobInfo, Blobs } from "../../lattice/blobs.ts";

/** An object store whose shelves a test can look into and spoil. */
export class ShelfBlobs implements Blobs {
  readonly shelf = new Map<string, { content: Uint8Array; digest: string; at: number }>();

  async put(name: string, content: Uint8Array): Promise<void> {
    this.shelf.set(name, { content: Uint8Array.from(content), digest: digestOf(content), at: Date.now() });
  }

  async get(name: string, maxBytes: number): Promise<Uint8Array | undefined> {
    const found = this.shelf.get(name);
    if (!found) return undefined;
    if (found.content.length > maxBytes) throw fail("PAYLOAD_TOO_LARGE", name, found.content.length, maxBytes);
    if (digestOf(found.content) !== found.digest) throw fail("BLOB_CORRUPT", name);
    return found.content;
  }

  async info(name: string): Promise<BlobInfo | undefined> {
    return (await this.list()).find((each) => each.name === name);
  }

  async delete(name: string): Promise<void> {
    this.shelf.delete(name);
  }

  async list(): Promise<BlobInfo[]> {
    return Array.from(this.shelf, ([name, { content, digest, at }]) => ({
      name,
      bytes: content.length,
      at,
      version: `${digest} ${at}`,
    }));
  }

  async destroy(): Promise<void> {
    this.shelf.clear();
  }

  async close(): Promise<void> {
    this.shelf.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function digestOf(content: Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}
