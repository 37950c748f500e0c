/** Sequence numbers that may arrive out of order. One connection delivers in order, so few are needed. */
const size = 512;

/** Accepts each number once; those far behind the greatest are refused. Numbers are 32 bits, from 1. */
export class ReplayWindow {
  readonly #seen = new Uint32Array(size);
  #greatest = 0;

  /** False when the number came before, or may have. */
  accept(sequence: number): boolean {
    if (sequence < 1 || sequence + size <= this.#greatest) return false;
    const slot = sequence % size;
    if (this.#seen[slot] === sequence) return false;
    this.#seen[slot] = sequence;
    this.#greatest = Math.max(this.#greatest, sequence);
    return true;
  }
}
