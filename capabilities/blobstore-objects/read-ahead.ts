import type { Blobs } from "../../lattice/index.ts";

/** How long content is kept for the next range of it, in milliseconds. */
const keptMs = 5_000;

interface Held {
  readonly version: string;
  readonly content: Promise<Uint8Array | undefined>;
  readonly bytes: number;
  timer: NodeJS.Timeout;
}

/**
 * Content that was just read. An object is fetched whole and asked for range by range; without this each
 * range would fetch all of it again. What is kept is bounded, and let go soon.
 */
export class ReadAhead {
  readonly #blobs: Blobs;
  readonly #limit: number;
  readonly #held = new Map<string, Held>();
  #bytes = 0;

  /** `limit`: bytes kept in all. */
  constructor(blobs: Blobs, limit: number) {
    this.#blobs = blobs;
    this.#limit = limit;
  }

  /** The content of an object as it is now, undefined when there is none. @throws as `Blobs.get`. */
  async get(name: string, maxBytes: number): Promise<Uint8Array | undefined> {
    const info = await this.#blobs.info(name);
    if (info === undefined) return undefined;
    const held = this.#held.get(name);
    if (held?.version === info.version) {
      held.timer.refresh();
      return await held.content;
    }
    this.#forget(name);
    const content = this.#blobs.get(name, maxBytes);
    content.catch(() => this.#forget(name));
    const timer = setTimeout(() => this.#forget(name), keptMs).unref();
    this.#held.set(name, { version: info.version, content, bytes: info.bytes, timer });
    this.#bytes += info.bytes;
    for (const oldest of this.#held.keys()) {
      if (this.#bytes <= this.#limit) break;
      this.#forget(oldest);
    }
    return await content;
  }

  clear(): void {
    for (const name of this.#held.keys()) this.#forget(name);
  }

  #forget(name: string): void {
    const held = this.#held.get(name);
    if (held === undefined) return;
    clearTimeout(held.timer);
    this.#held.delete(name);
    this.#bytes -= held.bytes;
  }
}
