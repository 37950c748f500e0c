import { textBytes } from "./guest-frame.ts";

/**
 * Joins what a guest writes piece by piece to standard output or error into lines.
 * A line longer than 64 KiB is passed on in parts.
 */
export class LineBuffer {
  #text = "";
  readonly #decoder = new TextDecoder();
  readonly #emit: (line: string) => void;

  constructor(emit: (line: string) => void) {
    this.#emit = emit;
  }

  /** Takes a view over guest memory; nothing of it is kept. */
  write(bytes: Uint8Array): void {
    this.#text += this.#decoder.decode(bytes, { stream: true });
    let from = 0;
    for (let end = this.#text.indexOf("\n"); end >= 0; end = this.#text.indexOf("\n", from)) {
      this.#emit(this.#text.slice(from, end));
      from = end + 1;
    }
    this.#text = this.#text.slice(from);
    if (this.#text.length > textBytes) this.flush();
  }

  /** Emits what has no line end yet; called when the call ends. */
  flush(): void {
    this.#text += this.#decoder.decode();
    if (this.#text.length > 0) this.#emit(this.#text);
    this.#text = "";
  }
}
