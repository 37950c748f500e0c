import { type BlobInfo, type Blobs, fail } from "../../lattice/index.ts";
import type { BlobStore, BlobWriter, ContainerInfo, ObjectInfo } from "../blobstore/store.ts";
import { blobName, prefixOf, readBlobName } from "./names.ts";
import { ReadAhead } from "./read-ahead.ts";

export interface ObjectBlobsOptions {
  /** For messages: what and where, without secrets. */
  readonly name: string;
  /** Largest object in bytes: it is held in memory while it comes and goes. */
  readonly objectBytes: number;
  /** Asked before each operation. @throws LatticeError when the store is known to be away. */
  readonly check?: () => void;
}

/**
 * Containers and objects in an object store of the lattice, in process or JetStream's. A container is an
 * empty object that names it, its objects have names that begin with it; several hosts may use one store.
 * Removing a container is not one step: whoever writes into it meanwhile may find a part of it left.
 */
export class ObjectBlobStore implements BlobStore {
  readonly name: string;
  readonly #blobs: Blobs;
  readonly #ahead: ReadAhead;
  readonly #objectBytes: number;
  readonly #check: () => void;

  constructor(blobs: Blobs, { name, objectBytes, check = () => undefined }: ObjectBlobsOptions) {
    this.name = name;
    this.#blobs = blobs;
    this.#ahead = new ReadAhead(blobs, objectBytes);
    this.#objectBytes = objectBytes;
    this.#check = check;
  }

  async createContainer(container: string): Promise<void> {
    if (!(await this.container(container))) await this.#blobs.put(blobName(container, ""), new Uint8Array(0));
  }

  async removeContainer(container: string): Promise<boolean> {
    if (!(await this.container(container))) return false;
    const marker = blobName(container, "");
    // The container last: what an interruption leaves can be seen, and removed again.
    for (const { name } of await this.#within(container)) if (name !== marker) await this.#blobs.delete(name);
    await this.#blobs.delete(marker);
    // Who looked before that may have written since.
    for (const { name } of await this.#within(container)) await this.#blobs.delete(name);
    return true;
  }

  async container(container: string): Promise<ContainerInfo | undefined> {
    this.#check();
    const info = await this.#blobs.info(blobName(container, ""));
    return info && { container, createdAt: info.at };
  }

  async containers(): Promise<ContainerInfo[]> {
    this.#check();
    const found = (await this.#blobs.list()).flatMap(({ name, at }) => {
      const parts = readBlobName(name);
      return parts?.id === "" ? [{ container: parts.container, createdAt: at }] : [];
    });
    return found.toSorted((a, b) => inOrder(a.container, b.container));
  }

  async objects(container: string): Promise<ObjectInfo[] | undefined> {
    if (!(await this.container(container))) return undefined;
    const found = (await this.#within(container)).flatMap((info) => {
      const parts = readBlobName(info.name);
      return parts === undefined || parts.id === "" ? [] : [objectOf(container, parts.id, info)];
    });
    return found.toSorted((a, b) => inOrder(a.id, b.id));
  }

  async object(container: string, id: string): Promise<ObjectInfo | undefined> {
    if (!(await this.container(container))) return undefined;
    const info = await this.#blobs.info(blobName(container, id));
    return info && objectOf(container, id, info);
  }

  async removeObject(container: string, id: string): Promise<boolean> {
    if (!(await this.object(container, id))) return false;
    await this.#blobs.delete(blobName(container, id));
    return true;
  }

  async read(container: string, id: string, start: number, end: number): Promise<Uint8Array | undefined> {
    this.#check();
    // One that another program put there may be larger than ours may be.
    const content = await this.#ahead.get(blobName(container, id), this.#objectBytes);
    return content?.subarray(start, end);
  }

  async write(container: string, id: string): Promise<BlobWriter> {
    const name = blobName(container, id);
    const absent = async () => {
      if (!(await this.container(container))) throw fail("CONTAINER_ABSENT", container);
    };
    await absent();
    return new ObjectWriter(this.#objectBytes, async (content) => {
      await absent();
      await this.#blobs.put(name, content);
    });
  }

  close(): Promise<void> {
    this.#ahead.clear();
    return Promise.resolve();
  }

  async #within(container: string): Promise<BlobInfo[]> {
    const prefix = prefixOf(container);
    return (await this.#blobs.list()).filter(({ name }) => name.startsWith(prefix));
  }
}

/** Holds an object until it is whole. */
class ObjectWriter implements BlobWriter {
  size = 0;
  readonly #most: number;
  readonly #put: (content: Uint8Array) => Promise<void>;
  #pieces: Uint8Array[] = [];

  constructor(most: number, put: (content: Uint8Array) => Promise<void>) {
    this.#most = most;
    this.#put = put;
  }

  append(bytes: Uint8Array): Promise<void> {
    const size = this.size + bytes.length;
    if (size > this.#most) return Promise.reject(fail("PAYLOAD_TOO_LARGE", "the object", size, this.#most));
    this.#pieces.push(Uint8Array.from(bytes));
    this.size = size;
    return Promise.resolve();
  }

  async finish(): Promise<void> {
    const pieces = this.#pieces;
    this.#pieces = [];
    await this.#put(pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces));
  }

  cancel(): Promise<void> {
    this.#pieces = [];
    return Promise.resolve();
  }
}

function objectOf(container: string, id: string, { bytes, at }: BlobInfo): ObjectInfo {
  return { container, id, bytes, modifiedAt: at };
}

function inOrder(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
