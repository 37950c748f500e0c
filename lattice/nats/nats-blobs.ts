import { createHash } from "node:crypto";
import type { BusHeaders } from "../bus.ts";
import { checkBlobName } from "../blobs.ts";
import type { BlobInfo, Blobs } from "../blobs.ts";
import { fail, isLatticeError } from "../errors.ts";
import { nuid } from "../nuid.ts";
import { isRefusal, refusals, unavailable } from "./jetstream.ts";
import type { JetStream, StoredMessage } from "./jetstream.ts";
import { readAll } from "./stream-reader.ts";

const usualChunkBytes = 128 * 1024;
/** Chunks under way at once. */
const window = 8;
const rollup: BusHeaders = new Map([["Nats-Rollup", ["sub"]]]);
const digestKind = "SHA-256=";

/** An object's row, as every client of the store writes it. */
interface BlobRow {
  readonly name: string;
  readonly nuid: string;
  readonly size: number;
  readonly chunks: number;
  readonly digest?: string;
  readonly deleted?: boolean;
  readonly [more: string]: unknown;
}

/**
 * A JetStream object store: chunks on `$O.NAME.C.NUID`, the row of an object on `$O.NAME.M.BASE64`.
 * Source: NATS architecture decision ADR-20; captures of 0.82, section 12.
 */
export class NatsBlobs implements Blobs {
  readonly #jetStream: JetStream;
  readonly #name: string;
  readonly #stream: string;
  #ready: Promise<unknown> | undefined;
  #closed = false;

  constructor(jetStream: JetStream, name: string) {
    if (!/^[-\w]+$/.test(name)) throw fail("STATE_KEY_INVALID", name);
    this.#jetStream = jetStream;
    this.#name = name;
    this.#stream = `OBJ_${name}`;
  }

  async put(name: string, content: Uint8Array): Promise<void> {
    this.#check(name);
    const copy = Uint8Array.from(content);
    await this.#attempt(async () => {
      const before = await this.#row(name);
      const id = nuid();
      try {
        const chunks = await this.#putChunks(id, copy);
        const digest = digestKind + base64Url(createHash("sha256").update(copy).digest());
        await this.#putRow({
          name,
          description: null,
          options: { link: null, max_chunk_size: this.#chunkBytes },
          bucket: this.#name,
          nuid: id,
          size: copy.length,
          chunks,
          mtime: new Date().toISOString(),
          digest,
        });
      } catch (error) {
        await this.#purge(id).catch(() => {});
        throw error;
      }
      if (before !== undefined && before.deleted !== true) await this.#purge(before.nuid);
    });
  }

  async get(name: string, maxBytes: number): Promise<Uint8Array | undefined> {
    this.#check(name);
    return await this.#attempt(async () => {
      const row = await this.#row(name);
      if (row === undefined || row.deleted === true) return undefined;
      const { size, digest = "" } = row;
      if (size > maxBytes) throw fail("PAYLOAD_TOO_LARGE", `the stored object ${name}`, size, maxBytes);
      const content = await this.#chunks(name, row);
      const found = createHash("sha256").update(content).digest();
      // Others write either alphabet, with or without padding; Node reads them all.
      if (!digest.startsWith(digestKind) || !found.equals(Buffer.from(digest.slice(digestKind.length), "base64")))
        throw fail("BLOB_CORRUPT", name);
      return content;
    });
  }

  async info(name: string): Promise<BlobInfo | undefined> {
    this.#check(name);
    return await this.#attempt(async () => {
      const stored = await this.#stored(name);
      const row = stored && parseRow(Buffer.from(stored.data ?? "", "base64"));
      return row === undefined || row.deleted === true ? undefined : infoOf(row, Date.parse(stored!.time));
    });
  }

  async delete(name: string): Promise<void> {
    this.#check(name);
    await this.#attempt(async () => {
      const row = await this.#row(name);
      if (row === undefined || row.deleted === true) return;
      await this.#putRow({ ...row, size: 0, chunks: 0, digest: "", deleted: true });
      await this.#purge(row.nuid);
    });
  }

  async list(): Promise<BlobInfo[]> {
    this.#checkOpen();
    return await this.#attempt(async () => {
      const found = new Map<string, BlobInfo>();
      const reading = {
        store: this.#name,
        stream: this.#stream,
        filter: `$O.${this.#name}.M.>`,
        from: "last",
      } as const;
      await readAll(this.#jetStream, reading, ({ payload, at }) => {
        const row = parseRow(payload);
        if (row === undefined) return;
        if (row.deleted === true) found.delete(row.name);
        else found.set(row.name, infoOf(row, at));
      });
      return [...found.values()];
    });
  }

  async destroy(): Promise<void> {
    this.#checkOpen();
    this.#ready = undefined;
    try {
      await this.#jetStream.api(this.#name, `STREAM.DELETE.${this.#stream}`);
    } catch (error) {
      if (!isRefusal(error, refusals.streamNotFound)) throw unavailable(this.#name, error);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #putChunks(id: string, content: Uint8Array): Promise<number> {
    const size = this.#chunkBytes;
    const count = Math.ceil(content.length / size);
    for (let first = 0; first < count; first += window) {
      const indexes = Array.from({ length: Math.min(window, count - first) }, (_, offset) => first + offset);
      await Promise.all(
        indexes.map(async (index) => {
          const chunk = content.subarray(index * size, (index + 1) * size);
          return await this.#jetStream.append(this.#name, `$O.${this.#name}.C.${id}`, chunk);
        }),
      );
    }
    return count;
  }

  async #chunks(name: string, { nuid: id, size }: BlobRow): Promise<Uint8Array> {
    const content = Buffer.alloc(size);
    let filled = 0;
    if (size === 0) return content;
    const reading = {
      store: this.#name,
      stream: this.#stream,
      filter: `$O.${this.#name}.C.${id}`,
      from: "all",
    } as const;
    await readAll(this.#jetStream, reading, ({ payload }) => {
      if (filled + payload.length <= size) content.set(payload, filled);
      filled += payload.length;
    });
    if (filled !== size) throw fail("BLOB_CORRUPT", name);
    return content;
  }

  async #row(name: string): Promise<BlobRow | undefined> {
    const stored = await this.#stored(name);
    return stored === undefined ? undefined : parseRow(Buffer.from(stored.data ?? "", "base64"));
  }

  async #stored(name: string): Promise<StoredMessage | undefined> {
    return await this.#jetStream.last(this.#name, this.#stream, this.#rowSubject(name));
  }

  async #putRow(row: BlobRow): Promise<void> {
    await this.#jetStream.append(this.#name, this.#rowSubject(row.name), Buffer.from(JSON.stringify(row)), rollup);
  }

  async #purge(id: string): Promise<void> {
    await this.#jetStream.api(this.#name, `STREAM.PURGE.${this.#stream}`, { filter: `$O.${this.#name}.C.${id}` });
  }

  get #chunkBytes(): number {
    return Math.min(usualChunkBytes, this.#jetStream.bus.maxPayloadBytes);
  }

  #rowSubject(name: string): string {
    return `$O.${this.#name}.M.${base64Url(Buffer.from(name))}`;
  }

  async #attempt<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await this.#jetStream.withStream((anew) => this.#stands(anew), work);
    } catch (error) {
      throw isLatticeError(error) && error.code === "BLOB_CORRUPT" ? error : unavailable(this.#name, error);
    }
  }

  async #stands(anew: boolean): Promise<void> {
    if (anew) this.#ready = undefined;
    this.#ready ??= this.#jetStream.ensureStream(this.#name, this.#config()).catch((error: unknown) => {
      this.#ready = undefined;
      throw error;
    });
    await this.#ready;
  }

  #config() {
    return {
      name: this.#stream,
      subjects: [`$O.${this.#name}.C.>`, `$O.${this.#name}.M.>`],
      retention: "limits",
      discard: "new",
      storage: "file",
      num_replicas: this.#jetStream.config.replicas,
      allow_rollup_hdrs: true,
      allow_direct: true,
    };
  }

  #check(name: string): void {
    this.#checkOpen();
    checkBlobName(name);
  }

  #checkOpen(): void {
    if (this.#closed) throw fail("STOPPED", `the object store ${this.#name}`);
  }
}

function infoOf({ name, size, nuid: version }: BlobRow, at: number): BlobInfo {
  return { name, bytes: size, at, version };
}

/** With padding, as the other clients write it. */
function base64Url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64").replaceAll("+", "-").replaceAll("/", "_");
}

/** What is no row is skipped: anyone may write there. */
function parseRow(bytes: Uint8Array): BlobRow | undefined {
  try {
    const row = JSON.parse(Buffer.from(bytes).toString()) as Partial<BlobRow>;
    const { name, nuid: id, size } = row;
    return typeof name === "string" && typeof id === "string" && Number.isSafeInteger(size) && size! >= 0
      ? (row as BlobRow)
      : undefined;
  } catch {
    return undefined;
  }
}
