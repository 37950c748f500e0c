import type { ByteWriter } from "./bytes.ts";
import type { IntList } from "./int-list.ts";

/** Largest charge in one place: it fits a constant of four bytes, and the fuel global never wraps. */
export const mostCost = 2 ** 27 - 1;

/** What a charge refers to. */
export interface ChargeTargets {
  /** The global that holds the fuel left. */
  readonly fuel: number;
  /** The function called when it is below zero. */
  readonly slow: number;
}

/**
 * Writes `fuel -= cost`, and a call of `slow` when that is below zero.
 * The offset from `begin` of its `if` goes to `hints`. Returns where the cost is, for `setCost`.
 */
export function chargeGlobal(out: ByteWriter, { fuel, slow }: ChargeTargets, hints: IntList, begin: number): number {
  out.byte(0x23); // global.get
  out.u32(fuel);
  const costAt = costGap(out);
  out.byte(0x6b); // i32.sub
  out.byte(0x24); // global.set
  out.u32(fuel);
  out.byte(0x23); // global.get
  out.u32(fuel);
  whenBelowZero(out, hints, begin);
  out.byte(0x10); // call
  out.u32(slow);
  out.byte(0x0b); // end
  return costAt;
}

/**
 * The charge of one loop in a function that has a local `meter` to spare. In a loop without calls
 * the local always holds what the global holds, so that nothing is read from memory: set before the
 * loop, and again after `slow`. Measured on a byte loop: 1.2 of plain, where reading takes 2.0.
 */
export class LoopCharge {
  readonly #out: ByteWriter;
  readonly #targets: ChargeTargets;
  readonly #meter: number;

  constructor(out: ByteWriter, targets: ChargeTargets, meter: number) {
    this.#out = out;
    this.#targets = targets;
    this.#meter = meter;
  }

  /** Before the loop: `meter = fuel`. Returns where it begins. */
  load(): number {
    const out = this.#out;
    const at = out.length;
    out.byte(0x23); // global.get
    out.u32(this.#targets.fuel);
    out.byte(0x21); // local.set
    out.u32(this.#meter);
    return at;
  }

  /** Takes a `load` away again. */
  unload(at: number): void {
    this.#out.bytes.fill(0x01, at, at + 2 + width(this.#targets.fuel) + width(this.#meter)); // nop
  }

  /** At the loop's start, as if it had calls. Returns where it begins; the cost is set by `settle`. */
  charge(hints: IntList, begin: number): number {
    const out = this.#out;
    const at = out.length;
    const { fuel, slow } = this.#targets;
    out.byte(0x23); // global.get, or local.get when settled so
    out.padded(fuel, this.#width);
    costGap(out);
    out.byte(0x6b); // i32.sub
    out.byte(0x22); // local.tee
    out.u32(this.#meter);
    out.byte(0x24); // global.set
    out.u32(fuel);
    out.byte(0x20); // local.get
    out.u32(this.#meter);
    whenBelowZero(out, hints, begin);
    out.byte(0x10); // call
    out.u32(slow);
    this.load();
    out.byte(0x0b); // end
    return at;
  }

  /** Finishes a `charge`, once it is known what the loop holds. */
  settle(at: number, cost: number, hasCalls: boolean): void {
    const out = this.#out;
    const start = at + 1 + this.#width;
    setCost(out, start + 1, cost);
    if (hasCalls) return;
    out.bytes[at] = 0x20; // local.get
    out.overwrite(at + 1, this.#meter, this.#width);
  }

  get #width(): number {
    return Math.max(width(this.#targets.fuel), width(this.#meter));
  }
}

/** Bytes of a number without sign. */
function width(value: number): number {
  return value < 2 ** 7 ? 1 : value < 2 ** 14 ? 2 : value < 2 ** 21 ? 3 : value < 2 ** 28 ? 4 : 5;
}

function costGap(out: ByteWriter): number {
  out.byte(0x41); // i32.const
  out.reserve(4);
  const at = out.length;
  out.length += 4;
  return at;
}

function whenBelowZero(out: ByteWriter, hints: IntList, begin: number): void {
  out.byte(0x41); // i32.const 0
  out.byte(0);
  out.byte(0x48); // i32.lt_s
  hints.push(out.length - begin);
  out.byte(0x04); // if without parameters or results
  out.byte(0x40);
}

/** Writes the cost of a charge, 1 to `mostCost`, as signed LEB128 of four bytes. */
export function setCost(out: ByteWriter, at: number, cost: number): void {
  const { bytes } = out;
  const value = Math.max(1, Math.min(mostCost, cost));
  bytes[at] = (value & 0x7f) | 0x80;
  bytes[at + 1] = ((value >>> 7) & 0x7f) | 0x80;
  bytes[at + 2] = ((value >>> 14) & 0x7f) | 0x80;
  bytes[at + 3] = value >>> 21;
}
