const blockBytes = 256 * 1024;

/**
 * Builds payloads one after the other inside a large block, so that a payload costs one view and no
 * `ArrayBuffer` of its own (30 ns against 240 ns for 200 bytes). What `end` returned is never
 * written again; a block is freed when its last payload is.
 *
 * One payload at a time: `begin`, writes, `end`. A write that throws leaves nothing to clean up.
 */
export class ByteSink {
  protected block: Uint8Array<ArrayBuffer> = newBlock(blockBytes);
  protected at = 0;
  #start = 0;

  begin(): void {
    this.#start = this.at;
  }

  end(): Uint8Array {
    return new Uint8Array(this.block.buffer, this.#start, this.at - this.#start);
  }

  /** Bytes written since `begin`: a place to `rewind` to. */
  get mark(): number {
    return this.at - this.#start;
  }

  /** Takes back everything written after `mark`. */
  rewind(mark: number): void {
    this.at = this.#start + mark;
  }

  /** Takes back what was written after `mark`, as a copy to write again further on. */
  protected taken(mark: number): Uint8Array {
    const copy = this.block.slice(this.#start + mark, this.at);
    this.rewind(mark);
    return copy;
  }

  byte(value: number): void {
    this.reserve(1);
    this.block[this.at++] = value;
  }

  raw(bytes: Uint8Array): void {
    const size = bytes.length;
    this.reserve(size);
    if (size <= 16) {
      const target = this.block;
      let at = this.at;
      for (let i = 0; i < size; i++) target[at++] = bytes[i]!;
      this.at = at;
    } else {
      this.block.set(bytes, this.at);
      this.at += size;
    }
  }

  /** Makes room for `size` more bytes, moving the payload begun to a new block when needed. */
  protected reserve(size: number): void {
    if (this.block.length - this.at < size) this.#grow(size);
  }

  #grow(size: number): void {
    const used = this.at - this.#start;
    const next = newBlock(Math.max(blockBytes, used * 2 + size));
    next.set(this.block.subarray(this.#start, this.at));
    this.block = next;
    this.#start = 0;
    this.at = used;
  }
}

/** Not zeroed: only what was written leaves it. */
function newBlock(size: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.allocUnsafeSlow(size).buffer);
}
