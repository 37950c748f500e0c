/** Times of many calls in little memory: counted in steps of a fiftieth, from a microsecond to a minute. */
export class Latencies {
  readonly #counts = new Uint32Array(1_000);
  #count = 0;
  #worst = 0;

  note(ms: number): void {
    const at = Math.max(0, Math.min(this.#counts.length - 1, Math.round(Math.log(Math.max(ms, 1e-3) / 1e-3) * 50)));
    this.#counts[at] = this.#counts[at]! + 1;
    this.#count++;
    this.#worst = Math.max(this.#worst, ms);
  }

  /** In milliseconds, right to two percent; 0 of none. */
  at(share: number): number {
    let left = Math.ceil(this.#count * share);
    for (const [at, count] of this.#counts.entries()) {
      left -= count;
      if (left <= 0 && this.#count > 0) return 1e-3 * Math.exp(at / 50);
    }
    return 0;
  }

  text(): string {
    const ms = (value: number) => `${value.toFixed(2)} ms`;
    return `${this.#count} calls, p50 ${ms(this.at(0.5))}, p99 ${ms(this.at(0.99))}, worst ${ms(this.#worst)}`;
  }
}
