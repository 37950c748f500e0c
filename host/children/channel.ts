import type { Duplex } from "node:stream";
import { Packr } from "msgpackr";
import { describe, unpack } from "../../lattice/index.ts";

const packr = new Packr({ useRecords: false, variableMapSize: true, encodeUndefinedAsNil: true });
const prefixBytes = 8;
const nothing = new Uint8Array(0);

export interface ChannelHooks {
  /** One message; `payload` is a view that nobody else writes. */
  onMessage(message: unknown, payload: Uint8Array): void;
  /** Once, when nothing more can come: the other end is gone, or sent what is no frame. */
  onEnd(reason: string): void;
}

/**
 * Frames over a pipe, in both directions: length of the head, length of the payload (4 bytes each, little endian),
 * head as MessagePack, payload as it is. What is sent in one turn of the event loop leaves in one write.
 *
 * Measured against the IPC of Node with advanced serialisation: 64 calls at once cost 4 us each against 14, one at
 * a time the same 36.
 */
export class Channel {
  readonly #stream: Duplex;
  readonly #hooks: ChannelHooks;
  readonly #maxFrameBytes: number;
  #pieces: Buffer[] = [];
  #have = 0;
  #corked = false;
  #ended = false;

  /** Frames over `maxFrameBytes` end the channel. */
  constructor(stream: Duplex, maxFrameBytes: number, hooks: ChannelHooks) {
    this.#stream = stream;
    this.#hooks = hooks;
    this.#maxFrameBytes = maxFrameBytes;
    stream.on("data", (piece: Buffer) => this.#receive(piece));
    stream.on("end", () => this.#end("it closed its pipe"));
    stream.on("close", () => this.#end("it closed its pipe"));
    stream.on("error", (error) => this.#end(describe(error)));
  }

  /** Bytes that the other end has not taken yet. */
  get waitingBytes(): number {
    return this.#stream.writableLength;
  }

  /** Copies `payload`; does nothing once the channel has ended. */
  send(message: object, payload: Uint8Array = nothing): void {
    if (this.#ended) return;
    const head: Uint8Array = packr.pack(message);
    const frame = Buffer.allocUnsafe(prefixBytes + head.length + payload.length);
    frame.writeUInt32LE(head.length, 0);
    frame.writeUInt32LE(payload.length, 4);
    frame.set(head, prefixBytes);
    frame.set(payload, prefixBytes + head.length);
    if (!this.#corked) {
      this.#corked = true;
      this.#stream.cork();
      process.nextTick(() => {
        this.#corked = false;
        this.#stream.uncork();
      });
    }
    this.#stream.write(frame);
  }

  /** Says nothing more and hears nothing more. May be called twice. */
  close(): void {
    this.#ended = true;
    this.#stream.destroy();
  }

  #receive(piece: Buffer): void {
    this.#pieces.push(piece);
    this.#have += piece.length;
    while (!this.#ended && this.#have >= prefixBytes) {
      const prefix = this.#peek(prefixBytes);
      const head = prefix.readUInt32LE(0);
      const length = prefixBytes + head + prefix.readUInt32LE(4);
      if (length > this.#maxFrameBytes) return this.#end(`it sent a frame of ${length} bytes`);
      if (this.#have < length) return;
      const frame = this.#peek(length);
      this.#drop(length);
      let message: unknown;
      try {
        message = unpack(frame.subarray(prefixBytes, prefixBytes + head), "a frame");
      } catch (error) {
        return this.#end(describe(error));
      }
      this.#hooks.onMessage(message, frame.subarray(prefixBytes + head));
    }
  }

  /** The next `length` bytes, which are there, in one piece. */
  #peek(length: number): Buffer {
    const [first] = this.#pieces;
    if (first && first.length >= length) return first.subarray(0, length);
    const joined = Buffer.concat(this.#pieces, this.#have);
    this.#pieces = [joined];
    return joined.subarray(0, length);
  }

  #drop(length: number): void {
    const [first] = this.#pieces;
    this.#have -= length;
    if (!first || first.length === length) this.#pieces.shift();
    else this.#pieces[0] = first.subarray(length);
  }

  #end(reason: string): void {
    if (this.#ended) return;
    this.close();
    this.#hooks.onEnd(reason);
  }
}
