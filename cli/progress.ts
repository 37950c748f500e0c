import type { Output } from "./output.ts";

/**
 * Progress of long work on stderr: one moving line on a terminal, plain lines elsewhere, nothing
 * where a program reads or with --quiet.
 */
export class Progress {
  readonly #moving: boolean;
  readonly #silent: boolean;
  readonly #started = performance.now();
  #text = "";
  #timer: NodeJS.Timeout | undefined;

  constructor(output: Output) {
    this.#silent = output.options.quiet || output.structured;
    this.#moving = !this.#silent && process.stderr.isTTY && process.env.TERM !== "dumb";
  }

  /** Says what is being done now. */
  step(text: string): void {
    if (this.#silent) return;
    this.#text = text;
    if (!this.#moving) {
      process.stderr.write(`${text}\n`);
      return;
    }
    this.#draw();
    this.#timer ??= setInterval(() => this.#draw(), 120).unref();
  }

  /** How far the step has come; only where the line moves, elsewhere it would be a flood. */
  advance(text: string): void {
    if (this.#moving) this.step(text);
  }

  /** Ends it; on a terminal the line gives way to `text`, or vanishes. May be called twice. */
  done(text?: string): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    if (this.#moving && this.#text !== "") process.stderr.write("\r\u001b[K");
    this.#text = "";
    if (text !== undefined && !this.#silent) process.stderr.write(`${text}\n`);
  }

  #draw(): void {
    const frames = "|/-\\";
    const frame = frames[Math.floor((performance.now() - this.#started) / 120) % frames.length];
    process.stderr.write(`\r\u001b[K${frame} ${this.#text}`);
  }
}
