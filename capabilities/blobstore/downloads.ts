import { describe, fail } from "../../lattice/index.ts";
import type { ProviderCall, ProviderContext } from "../provider.ts";
import { chunkForm, encode, isCbor } from "./e4-codec.ts";
import type { Taken } from "./fields.ts";
import type { BlobStore, ObjectInfo } from "./store.ts";
import { chunkReply, readCancel } from "./wascc-codec.ts";

/** Bytes of one chunk: what the real providers send, and well within a message of NATS. */
const chunkBytes = 256 * 1024;

/** Objects on their way out: the first piece in the answer, the others by calls of the actor. */
export class Downloads {
  readonly #store: BlobStore;
  readonly #context: () => ProviderContext;

  constructor(store: BlobStore, context: () => ProviderContext) {
    this.#store = store;
    this.#context = context;
  }

  /** `GetObject` of E4: bytes `rangeStart` to `rangeEnd`, both included. */
  async e4(asked: Taken, call: ProviderCall): Promise<unknown> {
    const [container, id] = [asked.name("containerId"), asked.name("objectId")];
    const info = await this.#store.object(container, id);
    if (!info) return { success: false, error: fail("OBJECT_ABSENT", container, id).message, contentLength: 0 };
    const start = Math.min(asked.count("rangeStart") ?? 0, info.bytes);
    const end = Math.max(start, Math.min((asked.count("rangeEnd") ?? info.bytes - 1) + 1, info.bytes));
    const first = await this.#read(info, start, Math.min(end, start + chunkBytes));
    const cbor = isCbor(call.payload);
    const chunk = (bytes: Uint8Array, offset: number) => ({
      objectId: id,
      containerId: container,
      bytes,
      offset,
      isLast: offset + bytes.length >= end,
    });
    if (start + first.length < end) {
      void this.#send(info, start + first.length, end, call, async (bytes, offset) => {
        const payload = encode(chunk(bytes, offset), chunkForm, cbor);
        const reply = await this.#context().invoke(call.link, "ChunkReceiver.ReceiveChunk", payload, { cause: call });
        return cbor ? reply.at(-1) === 0xf5 : readCancel(reply);
      });
    }
    return { success: true, initialChunk: chunk(first, start), contentLength: end - start };
  }

  /** `StartDownload` until E3: every chunk by a call of `ReceiveChunk`. */
  async wascc(container: string, id: string, wanted: number, context: string, call: ProviderCall): Promise<void> {
    const info = await this.#store.object(container, id);
    if (!info) throw fail("OBJECT_ABSENT", container, id);
    const size = Math.min(Math.max(wanted, 1), 4 * chunkBytes);
    void this.#send(
      info,
      0,
      info.bytes,
      call,
      async (bytes, offset) => {
        const payload = chunkReply(call.era, info, context, Math.floor(offset / size), size, bytes);
        await this.#context().invoke(call.link, "ReceiveChunk", payload, { cause: call });
        return false;
      },
      size,
    );
  }

  /** Sends piece after piece, each when the one before was taken, until the actor wants no more. */
  async #send(
    info: ObjectInfo,
    from: number,
    end: number,
    call: ProviderCall,
    give: (bytes: Uint8Array, offset: number) => Promise<boolean>,
    size = chunkBytes,
  ): Promise<void> {
    try {
      // After the answer that this follows.
      await new Promise((resolve) => setImmediate(resolve));
      let offset = from;
      do {
        const bytes = await this.#read(info, offset, Math.min(end, offset + size));
        if (this.#context().signal.aborted || (await give(bytes, offset))) return;
        offset += bytes.length;
      } while (offset < end);
    } catch (error) {
      const { name } = call.link.linkedActor;
      this.#context().log("warn", `${name} did not take all of ${info.container}/${info.id}: ${describe(error)}`);
    }
  }

  async #read({ container, id, modifiedAt, bytes }: ObjectInfo, start: number, end: number): Promise<Uint8Array> {
    const now = await this.#store.object(container, id);
    const read = now && (await this.#store.read(container, id, start, end));
    if (!read || now.modifiedAt !== modifiedAt || now.bytes !== bytes || read.length !== end - start)
      throw fail("OBJECT_CHANGED", container, id);
    return read;
  }
}
