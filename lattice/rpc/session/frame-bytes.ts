import { markAsUntransferable } from "node:worker_threads";

/** Why a frame cannot be read. */
export class FrameProblem extends Error {}

/** Small frames lie one behind the other in shared memory; what a frame leaves of its `size` is the next one's. */
const sharedBytes = 64 * 1_024;
const smallBytes = 8_192;
let shared = newShared();
let sharedAt = 0;

function newShared(): Buffer {
  const buffer = Buffer.allocUnsafeSlow(sharedBytes);
  // Who is given a view of a frame must not take the others away.
  markAsUntransferable(buffer.buffer);
  return buffer;
}

/** Writes one frame from beginning to `done`, before any other is begun; `size` must be enough. */
export class FrameWriter {
  readonly buffer: Buffer;
  at = 0;

  constructor(size: number) {
    if (size > smallBytes) {
      this.buffer = Buffer.allocUnsafeSlow(size);
      return;
    }
    if (sharedAt + size > sharedBytes) {
      shared = newShared();
      sharedAt = 0;
    }
    this.buffer = shared.subarray(sharedAt, sharedAt + size);
  }

  /** The first `end` bytes: nobody writes there any more. */
  done(end: number = this.at): Buffer {
    if (this.buffer.buffer === shared.buffer) sharedAt += end;
    return this.buffer.subarray(0, end);
  }

  u8(value: number): void {
    this.buffer[this.at++] = value;
  }

  u32(value: number): void {
    this.at = this.buffer.writeUInt32BE(value, this.at);
  }

  /** At most 65 535 bytes. */
  text(text: string): void {
    const length = this.buffer.write(text, this.at + 2);
    this.buffer.writeUInt16BE(length, this.at);
    this.at += 2 + length;
  }

  bytes(content: Uint8Array): void {
    this.buffer.set(content, this.at);
    this.at += content.length;
  }
}

/** Most bytes that `FrameWriter.text` takes for a text. */
export const frameTextSize = (text: string): number => 2 + text.length * 3;

/** @throws FrameProblem from every method when the frame is cut short. */
export class FrameReader {
  readonly buffer: Buffer;
  readonly #end: number;
  at: number;

  /** Reads from `at` up to `end`. */
  constructor(bytes: Uint8Array, at = 0, end = bytes.length) {
    this.buffer = asBuffer(bytes);
    this.at = at;
    this.#end = end;
  }

  u8(): number {
    return this.buffer[this.#take(1)]!;
  }

  u32(): number {
    return this.buffer.readUInt32BE(this.#take(4));
  }

  text(): string {
    const length = this.buffer.readUInt16BE(this.#take(2));
    const start = this.#take(length);
    return this.buffer.toString("utf8", start, this.at);
  }

  /** A view of the frame. */
  bytes(length: number): Buffer {
    const start = this.#take(length);
    return this.buffer.subarray(start, this.at);
  }

  /** A view of all that is left. */
  rest(): Buffer {
    return this.bytes(this.#end - this.at);
  }

  #take(length: number): number {
    const start = this.at;
    if (length < 0 || start + length > this.#end) throw new FrameProblem("it is cut short");
    this.at = start + length;
    return start;
  }
}

/** The same memory. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
