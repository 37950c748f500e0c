const longest = 8_192;
/** Lines of one second; the rest is counted. */
const perSecond = 100;

/** Standard output or error of a child as lines: cut at 8 192 characters, at most 100 a second. */
export class OutputLines {
  readonly #emit: (line: string) => void;
  readonly #decoder = new TextDecoder();
  #text = "";
  #second = 0;
  #emitted = 0;
  #dropped = 0;

  constructor(emit: (line: string) => void) {
    this.#emit = emit;
  }

  write(bytes: Uint8Array): void {
    const lines = (this.#text + this.#decoder.decode(bytes, { stream: true })).split("\n");
    this.#text = (lines.pop() ?? "").slice(0, longest);
    for (const line of lines) this.#line(line);
  }

  flush(): void {
    if (this.#text !== "") this.#line(this.#text);
    this.#text = "";
    this.#tellDropped();
  }

  #line(line: string): void {
    const second = Math.floor(performance.now() / 1_000);
    if (second !== this.#second) {
      this.#tellDropped();
      this.#second = second;
      this.#emitted = 0;
    }
    if (++this.#emitted > perSecond) this.#dropped++;
    else this.#emit(line.slice(0, longest));
  }

  #tellDropped(): void {
    if (this.#dropped > 0) this.#emit(`${this.#dropped} more lines in one second`);
    this.#dropped = 0;
  }
}
