import { limits } from "./options.ts";

/** The cost of code that nothing reaches. Adding the cost of a whole body to it leaves it negative. */
const dead = -0x4000_0000;

/** What one label stands for. `try` becomes `catch` at its first handler, `if` becomes `else`. */
export const Frame = { block: 0, loop: 1, if: 2, else: 3, try: 4, catch: 5 } as const;

/**
 * Follows the cost of the dearest path through one function body, instruction by instruction.
 *
 * A loop is a region of its own: its header charges for the dearest path from the header to wherever
 * an iteration ends, once per iteration, so that a path through an inner loop costs the outer region
 * nothing. The outermost region is the function itself, charged at its entry or by its callers.
 */
export class PathCost {
  /** Cost so far on the dearest path here, since the region began; negative when nothing gets here. */
  now = 0;
  /** Open labels but the function's own. */
  depth = 0;
  /** Open loops. */
  region = 0;
  /** By depth: kind of frame, region it lies in, dearest path that branches to its end. */
  readonly kinds = new Uint8Array(limits.nesting + 1);
  readonly #regions = new Int32Array(limits.nesting + 1);
  readonly #arriving = new Int32Array(limits.nesting + 1);
  /** Of an `if`: the cost where it began. */
  readonly #before = new Int32Array(limits.nesting + 1);
  /** 1 when a handler of try_table leads to the label. */
  readonly #caught = new Uint8Array(limits.nesting + 1);
  /** By region: cost where the region inside it began, and of the dearest path that ended in it. */
  readonly #paused = new Int32Array(limits.nesting + 1);
  readonly #dearest = new Int32Array(limits.nesting + 1);

  begin(cost: number): void {
    this.now = cost;
    this.depth = 0;
    this.region = 0;
    this.kinds[0] = Frame.block;
    this.#regions[0] = 0;
    this.#arriving[0] = dead;
    this.#caught[0] = 0;
    this.#dearest[0] = 0;
  }

  /** Opens a label; false when that is one too many. */
  open(kind: number): boolean {
    const depth = ++this.depth;
    if (depth > limits.nesting) return false;
    if (kind === Frame.loop) {
      const { region, now } = this;
      this.#paused[region] = now;
      this.#ended(now);
      this.region = region + 1;
      this.#dearest[region + 1] = 0;
      this.now = 0;
    }
    this.kinds[depth] = kind;
    this.#regions[depth] = this.region;
    this.#arriving[depth] = dead;
    this.#before[depth] = this.now;
    this.#caught[depth] = 0;
    return true;
  }

  #ended(cost: number): void {
    if (cost > this.#dearest[this.region]!) this.#dearest[this.region] = cost;
  }

  /** A path may leave for the label `up` levels out; false when there is none. */
  branch(up: number): boolean {
    const target = this.depth - up;
    if (!(target >= 0)) return false;
    const { now } = this;
    if (now < 0) return true;
    this.#ended(now);
    const region = this.#regions[target]!;
    const cost = region === this.region ? now : this.#paused[region]!;
    if (cost > this.#arriving[target]!) this.#arriving[target] = cost;
    return true;
  }

  /** An exception raised inside may be handled at the label `up` levels out. */
  handledAt(up: number): boolean {
    const target = this.depth - up;
    if (!(target >= 0)) return false;
    this.#caught[target] = 1;
    return true;
  }

  /** No path goes on here. */
  leave(): void {
    this.#ended(this.now);
    this.now = dead;
  }

  else(): void {
    const { depth } = this;
    this.kinds[depth] = Frame.else;
    if (this.now > this.#arriving[depth]!) this.#arriving[depth] = this.now;
    this.now = this.#before[depth]!;
  }

  /** A legacy handler: it can be reached from every point of the body, the dearest included. */
  handle(): void {
    const { depth } = this;
    this.kinds[depth] = Frame.catch;
    if (this.now > this.#arriving[depth]!) this.#arriving[depth] = this.now;
    this.now = Math.max(this.now, this.#dearest[this.region]!);
  }

  /** Closes the innermost label. Returns what the header of a loop charges, else 0. */
  close(): number {
    const depth = this.depth--;
    const kind = this.kinds[depth]!;
    if (kind === Frame.loop) {
      const { now } = this;
      this.#ended(now);
      const cost = this.#dearest[this.region]!;
      this.region--;
      this.now = now < 0 ? dead : this.#paused[this.region]!;
      return cost;
    }
    let now = Math.max(this.now, this.#arriving[depth]!);
    if (kind === Frame.if) now = Math.max(now, this.#before[depth]!);
    if (this.#caught[depth] === 1) now = Math.max(now, this.#dearest[this.region]!);
    this.now = now;
    return 0;
  }

  /** Cost of the dearest path through the whole function, loops left out. */
  finish(): number {
    return Math.max(this.now, this.#dearest[0]!, 0);
  }
}
