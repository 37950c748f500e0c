/**
 * Writes MessagePack by hand into one buffer, for messages that are written per call: an invocation
 * takes less than half the time of the general packer (1.4 against 3.5 us).
 */
export class MsgpackWriter {
  readonly #bytes: Buffer;
  #at = 0;

  /** `size`: bytes that are enough; see `textSize` and `bytesSize`. */
  constructor(size: number) {
    this.#bytes = Buffer.allocUnsafe(size);
  }

  /** Bytes that were encoded before, such as a map header with its keys. */
  constant(encoded: Uint8Array): void {
    this.#bytes.set(encoded, this.#at);
    this.#at += encoded.length;
  }

  /** Text in its shortest form. */
  text(text: string): void {
    const bytes = this.#bytes;
    const length = Buffer.byteLength(text);
    if (length < 32) bytes[this.#at++] = 0xa0 | length;
    else this.#length(length, 0xd9);
    // Equal lengths mean ASCII, which copies faster.
    this.#at += bytes.write(text, this.#at, length === text.length ? "latin1" : "utf8");
  }

  bytes(content: Uint8Array): void {
    this.#length(content.length, 0xc4);
    this.#bytes.set(content, this.#at);
    this.#at += content.length;
  }

  /** A whole number from 0 to 2^32 - 1. */
  uint(value: number): void {
    if (value < 0x80) this.#bytes[this.#at++] = value;
    else this.#length(value, 0xcc);
  }

  /** What was written: a view of a buffer that nothing else writes. */
  end(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }

  /** `marker` for one byte of length, the next two for two and four. */
  #length(length: number, marker: number): void {
    const bytes = this.#bytes;
    if (length < 0x100) {
      bytes[this.#at++] = marker;
      bytes[this.#at++] = length;
    } else if (length < 0x1_0000) {
      bytes[this.#at++] = marker + 1;
      this.#at = bytes.writeUInt16BE(length, this.#at);
    } else {
      bytes[this.#at++] = marker + 2;
      this.#at = bytes.writeUInt32BE(length, this.#at);
    }
  }
}

/** Most bytes that `text` can take. */
export const textSize = (text: string): number => 5 + text.length * 3;
/** Most bytes that `bytes` can take. */
export const bytesSize = (content: Uint8Array): number => 5 + content.length;
