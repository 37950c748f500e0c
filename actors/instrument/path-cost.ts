import { limits } from "./options.ts";

/** The cost of code that nothing reaches. Adding the cost of a whole body to it leaves it negative. */
const dead = -0x4000_0000;
/** The cheapest of no paths. */
const none = 0x7fff_ffff;
/** A charge is never less than this part of the dearest path. */
const leastPart = 16;

/** What one label stands for. `try` becomes `catch` at its first handler, `if` becomes `else`. */
export const Frame = { block: 0, loop: 1, if: 2, else: 3, try: 4, catch: 5 } as const;

/**
 * What to charge for code whose paths cost between `least` and `most`: their geometric mean, since
 * one arm of a large switch is not the whole of it. Never under a sixteenth of the dearest, so that
 * no path runs far ahead of what it paid.
 */
export function typicalCost(least: number, most: number): number {
  if (least >= most) return most;
  return Math.max(Math.round(Math.sqrt(Math.max(1, least) * most)), Math.ceil(most / leastPart));
}

/**
 * Follows the cost of the dearest and the cheapest path through one function body.
 *
 * A loop is a region of its own: its header charges, in every iteration, for the paths from there to
 * the iteration's end, so that a path through an inner loop costs the outer region nothing. The
 * outermost region is the function itself, charged at its entry or by its callers.
 */
export class PathCost {
  /** Cost of the dearest path here since the region began; negative when nothing gets here. */
  now = 0;
  /** By how much the cheapest path here is cheaper. */
  slack = 0;
  /** Open labels but the function's own. */
  depth = 0;
  /** Open loops. */
  region = 0;
  /** By depth: kind of frame, the region it lies in, the paths that branch to its end. */
  readonly kinds = new Uint8Array(limits.nesting + 1);
  readonly #regions = new Int32Array(limits.nesting + 1);
  readonly #arriving = new Int32Array(limits.nesting + 1);
  readonly #arrivingLeast = new Int32Array(limits.nesting + 1);
  /** By depth: the paths where the frame began. */
  readonly #before = new Int32Array(limits.nesting + 1);
  readonly #beforeSlack = new Int32Array(limits.nesting + 1);
  /** 1 when a handler of try_table leads to the label. */
  readonly #caught = new Uint8Array(limits.nesting + 1);
  /** By region: the paths where the region inside it began. */
  readonly #paused = new Int32Array(limits.nesting + 2);
  readonly #pausedSlack = new Int32Array(limits.nesting + 2);
  /** By region: the dearest path that ended, and the cheapest that came to an end it was meant to come to. */
  readonly #dearest = new Int32Array(limits.nesting + 2);
  readonly #cheapest = new Int32Array(limits.nesting + 2);

  begin(cost: number): void {
    this.now = cost;
    this.slack = 0;
    this.depth = 0;
    this.region = 0;
    this.kinds[0] = Frame.block;
    this.#regions[0] = 0;
    this.#dearest[0] = 0;
    this.#cheapest[0] = none;
  }

  /** Opens a label; false when that is one too many. */
  open(kind: number): boolean {
    const depth = ++this.depth;
    if (depth > limits.nesting) return false;
    if (kind === Frame.loop) {
      const region = this.region++;
      this.#paused[region] = this.now;
      this.#pausedSlack[region] = this.slack;
      if (this.now > this.#dearest[region]!) this.#dearest[region] = this.now;
      this.#dearest[region + 1] = 0;
      this.#cheapest[region + 1] = none;
      this.now = 0;
      this.slack = 0;
    }
    this.kinds[depth] = kind;
    this.#regions[depth] = this.region;
    this.#arriving[depth] = dead;
    this.#arrivingLeast[depth] = none;
    this.#before[depth] = this.now;
    this.#beforeSlack[depth] = this.slack;
    this.#caught[depth] = 0;
    return true;
  }

  /** A path may leave for the label `up` levels out; false when there is none. */
  branch(up: number): boolean {
    const target = this.depth - up;
    if (!(target >= 0)) return false;
    const { now } = this;
    if (now < 0) return true;
    this.#end();
    const region = this.#regions[target]!;
    const here = region === this.region;
    const cost = here ? now : this.#paused[region]!;
    const least = cost - (here ? this.slack : this.#pausedSlack[region]!);
    if (target === 0 || this.kinds[target] === Frame.loop) {
      // The function returns, or the loop's next iteration begins.
      if (least < this.#cheapest[region]!) this.#cheapest[region] = least;
      return true;
    }
    if (cost > this.#arriving[target]!) this.#arriving[target] = cost;
    if (least < this.#arrivingLeast[target]!) this.#arrivingLeast[target] = least;
    return true;
  }

  #end(): void {
    if (this.now > this.#dearest[this.region]!) this.#dearest[this.region] = this.now;
  }

  /** An exception raised inside may be handled at the label `up` levels out. */
  handledAt(up: number): boolean {
    const target = this.depth - up;
    if (!(target >= 0)) return false;
    this.#caught[target] = 1;
    return true;
  }

  /** No path goes on here: it branched, trapped or threw. */
  leave(): void {
    this.#end();
    this.now = dead;
  }

  /** The arm of an `if` or the body of a `try` ends: what gets here goes to the label. */
  #arrive(): void {
    const { depth, now } = this;
    if (now < 0) return;
    if (now > this.#arriving[depth]!) this.#arriving[depth] = now;
    if (now - this.slack < this.#arrivingLeast[depth]!) this.#arrivingLeast[depth] = now - this.slack;
  }

  else(): void {
    this.#arrive();
    this.kinds[this.depth] = Frame.else;
    this.now = this.#before[this.depth]!;
    this.slack = this.#beforeSlack[this.depth]!;
  }

  /** A legacy handler: it can be reached from every point of the body, the dearest included. */
  handle(): void {
    const { depth } = this;
    this.#arrive();
    this.kinds[depth] = Frame.catch;
    this.now = Math.max(this.now, this.#dearest[this.region]!);
    this.slack = Math.max(0, this.now - this.#before[depth]! + this.#beforeSlack[depth]!);
  }

  /** Closes the innermost label. Returns what the header of a loop charges, else 0. */
  close(): number {
    const { depth } = this;
    if (this.kinds[depth] === Frame.loop) return this.#closeLoop();
    this.#arrive();
    let most = this.#arriving[depth]!;
    let least = this.#arrivingLeast[depth]!;
    if (this.kinds[depth] === Frame.if) {
      // Without an else, the condition may lead straight here.
      const before = this.#before[depth]!;
      most = Math.max(most, before);
      if (before >= 0) least = Math.min(least, before - this.#beforeSlack[depth]!);
    }
    if (this.#caught[depth] === 1) most = Math.max(most, this.#dearest[this.region]!);
    this.depth = depth - 1;
    this.now = most;
    this.slack = least === none ? 0 : Math.max(0, most - least);
    return 0;
  }

  #closeLoop(): number {
    this.#end();
    this.depth--;
    const region = this.region--;
    this.now = this.now < 0 ? dead : this.#paused[region - 1]!;
    this.slack = this.#pausedSlack[region - 1]!;
    return typicalCost(this.#cheapest[region]!, this.#dearest[region]!);
  }

  /** Cost of the dearest path through the whole function, loops left out. Call at its end. */
  get most(): number {
    return Math.max(this.now, this.#dearest[0]!, 0);
  }

  /** Cost of the cheapest path that returns; that of the dearest when none does. */
  get least(): number {
    const least = this.now < 0 ? none : this.now - this.slack;
    return Math.min(least, this.#cheapest[0]!, this.most);
  }
}
