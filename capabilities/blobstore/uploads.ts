import { randomUUID } from "node:crypto";
import { fail } from "../../lattice/index.ts";
import type { BlobStore, BlobWriter } from "./store.ts";

interface Upload {
  readonly link: string;
  readonly container: string;
  readonly id: string;
  readonly writer: BlobWriter;
  /** Chunks come one after the other, also where an actor sends several at once. */
  turn: Promise<unknown>;
  touchedAt: number;
}

const mostUploads = 256;
/** An upload that nobody goes on with is given up, in milliseconds. */
const idleMs = 10 * 60_000;

/** Objects that arrive in pieces. An upload belongs to the link that began it. */
export class Uploads {
  readonly #store: BlobStore;
  readonly #open = new Map<string, Upload>();

  constructor(store: BlobStore) {
    this.#store = store;
  }

  /** @throws LatticeError CONTAINER_ABSENT, QUEUE_FULL */
  async begin(link: string, container: string, id: string): Promise<string> {
    await this.#giveUpIdle();
    if (this.#open.size >= mostUploads) throw fail("QUEUE_FULL", this.#store.name, this.#open.size);
    const writer = await this.#store.write(container, id);
    const stream = randomUUID();
    this.#open.set(stream, { link, container, id, writer, turn: Promise.resolve(), touchedAt: Date.now() });
    return stream;
  }

  /** The upload that a link has going on for an object. @throws LatticeError UPLOAD_ABSENT */
  find(link: string, container: string, id: string): string {
    for (const [stream, upload] of this.#open)
      if (upload.link === link && upload.container === container && upload.id === id) return stream;
    throw fail("UPLOAD_ABSENT", `${container}/${id}`);
  }

  /** `offset` undefined: wherever it stands. @throws LatticeError UPLOAD_ABSENT, UPLOAD_GAP */
  async append(
    link: string,
    stream: string,
    bytes: Uint8Array,
    offset: number | undefined,
    isLast: boolean,
  ): Promise<void> {
    const upload = this.#take(link, stream);
    upload.touchedAt = Date.now();
    const { writer } = upload;
    const work = upload.turn.then(async () => {
      if (offset !== undefined && offset !== writer.size)
        throw fail("UPLOAD_GAP", `${upload.container}/${upload.id}`, offset, writer.size);
      await writer.append(bytes);
      if (!isLast) return;
      this.#open.delete(stream);
      await writer.finish();
    });
    upload.turn = work.catch(() => {});
    try {
      await work;
    } catch (error) {
      if (this.#open.delete(stream)) await writer.cancel();
      throw error;
    }
  }

  async cancel(link: string, stream: string): Promise<void> {
    const upload = this.#take(link, stream);
    this.#open.delete(stream);
    await upload.turn;
    await upload.writer.cancel();
  }

  /** Gives up what a link has begun, or all. */
  async drop(link?: string): Promise<void> {
    const theirs = [...this.#open].filter(([, upload]) => link === undefined || upload.link === link);
    await this.#giveUp(theirs);
  }

  async #giveUpIdle(): Promise<void> {
    const since = Date.now() - idleMs;
    await this.#giveUp([...this.#open].filter(([, { touchedAt }]) => touchedAt < since));
  }

  async #giveUp(uploads: readonly [string, Upload][]): Promise<void> {
    for (const [stream, { turn, writer }] of uploads) {
      this.#open.delete(stream);
      await turn;
      await writer.cancel();
    }
  }

  #take(link: string, stream: string): Upload {
    const upload = this.#open.get(stream);
    if (upload?.link !== link) throw fail("UPLOAD_ABSENT", stream);
    return upload;
  }
}
