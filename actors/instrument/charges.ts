import type { ByteWriter } from "./bytes.ts";
import type { IntList } from "./int-list.ts";

/** Largest charge in one place: it fits a constant of four bytes, and the fuel global never wraps. */
export const mostCost = 2 ** 27 - 1;

/**
 * Writes `fuel -= cost`, and a call of `slow` when that is below zero.
 * The offset from `begin` of its `if` goes to `hints`. Returns where the cost is, for `setCost`.
 */
export function chargeGlobal(out: ByteWriter, fuel: number, slow: number, hints: IntList, begin: number): number {
  out.byte(0x23); // global.get
  out.u32(fuel);
  const costAt = constantGap(out);
  out.byte(0x6b); // i32.sub
  out.byte(0x24); // global.set
  out.u32(fuel);
  out.byte(0x23); // global.get
  out.u32(fuel);
  belowZero(out, hints, begin);
  out.byte(0x10); // call
  out.u32(slow);
  out.byte(0x0b); // end
  return costAt;
}

/**
 * As `chargeGlobal`, from the advance that the function keeps in the local `meter`: it stays in a
 * register, so that a tight loop runs about as fast as without (measured: 1.1 of plain on a byte
 * loop, where the global takes 2.0).
 */
export function chargeLocal(out: ByteWriter, meter: number, refill: number, hints: IntList, begin: number): number {
  out.byte(0x20); // local.get
  out.u32(meter);
  const costAt = constantGap(out);
  out.byte(0x6b); // i32.sub
  out.byte(0x22); // local.tee
  out.u32(meter);
  belowZero(out, hints, begin);
  out.byte(0x20); // local.get
  out.u32(meter);
  out.byte(0x10); // call
  out.u32(refill);
  out.byte(0x21); // local.set
  out.u32(meter);
  out.byte(0x0b); // end
  return costAt;
}

function constantGap(out: ByteWriter): number {
  out.byte(0x41); // i32.const
  out.reserve(4);
  const at = out.length;
  out.length += 4;
  return at;
}

function belowZero(out: ByteWriter, hints: IntList, begin: number): void {
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
