import { fail } from "./errors.ts";
import { checkBlobName } from "./blobs.ts";
import type { BlobInfo, Blobs } from "./blobs.ts";
import { nuid } from "./nuid.ts";

interface Held {
  readonly content: Uint8Array;
  readonly at: number;
  readonly version: string;
}

/** Object stores inside the process; several hosts of one process open the same. */
export class MemoryBlobStore {
  readonly #stores = new Map<string, Map<string, Held>>();

  /** The store of this name, empty when it is new. Each `open` closes for itself. */
  open(name: string): Blobs {
    const held = this.#stores.get(name) ?? new Map<string, Held>();
    this.#stores.set(name, held);
    return new MemoryBlobs(name, held);
  }
}

class MemoryBlobs implements Blobs {
  readonly #name: string;
  readonly #held: Map<string, Held>;
  #closed = false;

  constructor(name: string, held: Map<string, Held>) {
    this.#name = name;
    this.#held = held;
  }

  async put(name: string, content: Uint8Array): Promise<void> {
    this.#check(name);
    this.#held.set(name, { content: Uint8Array.from(content), at: Date.now(), version: nuid() });
  }

  async get(name: string, maxBytes: number): Promise<Uint8Array | undefined> {
    this.#check(name);
    const content = this.#held.get(name)?.content;
    if (content !== undefined && content.length > maxBytes)
      throw fail("PAYLOAD_TOO_LARGE", `the stored object ${name}`, content.length, maxBytes);
    return content;
  }

  async info(name: string): Promise<BlobInfo | undefined> {
    this.#check(name);
    const held = this.#held.get(name);
    return held && infoOf(name, held);
  }

  async delete(name: string): Promise<void> {
    this.#check(name);
    this.#held.delete(name);
  }

  async list(): Promise<BlobInfo[]> {
    this.#checkOpen();
    return Array.from(this.#held, ([name, held]) => infoOf(name, held));
  }

  async destroy(): Promise<void> {
    this.#checkOpen();
    this.#held.clear();
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #check(name: string): void {
    this.#checkOpen();
    checkBlobName(name);
  }

  #checkOpen(): void {
    if (this.#closed) throw fail("STOPPED", `the object store ${this.#name}`);
  }
}

function infoOf(name: string, { content, at, version }: Held): BlobInfo {
  return { name, bytes: content.length, at, version };
}
