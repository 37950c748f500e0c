import type { ByteWriter } from "./bytes.ts";
import { chargeGlobal, type ChargeTargets, LoopCharge, setCost } from "./charges.ts";
import { IntList } from "./int-list.ts";
import { limits } from "./options.ts";

/** Scratch of the one walk that this thread is on, by open loops; 0 is the function itself. */
const chargeAt = new Int32Array(limits.nesting + 2);
const hasCalls = new Uint8Array(limits.nesting + 2);
const loadsBefore = new Int32Array(limits.nesting + 2);

/** The charges of the loops of one function after another: written when a loop opens, settled when it closes. */
export class LoopMeters {
  readonly #out: ByteWriter;
  readonly #targets: ChargeTargets;
  readonly #hints: IntList;
  /** Where meters are loaded before loops that may turn out to lie in one without calls. */
  readonly #loads = new IntList();
  /** Undefined when the function has no local to spare. */
  #charge: LoopCharge | undefined;
  #begin = 0;
  /** Whether the function's meter is in use. */
  metered = false;

  constructor(out: ByteWriter, targets: ChargeTargets, hints: IntList) {
    this.#out = out;
    this.#targets = targets;
    this.#hints = hints;
  }

  /** A function whose body starts at `begin` of the output; `meter` is the local behind its own, or -1. */
  begin(begin: number, meter: number): void {
    this.#begin = begin;
    this.#charge = meter < 0 ? undefined : new LoopCharge(this.#out, this.#targets, meter);
    this.#loads.length = 0;
    this.metered = false;
  }

  /** Fuel may change during the loop `region` other than by its own charge. */
  calls(region: number): void {
    hasCalls[region] = 1;
  }

  /** Right before the loop that becomes `region`. */
  before(region: number): void {
    hasCalls[region] = 0;
    loadsBefore[region] = this.#loads.length;
    if (this.#charge === undefined) return;
    this.metered = true;
    this.#loads.push(this.#charge.load());
  }

  /** Right behind the header of the loop `region`. */
  open(region: number): void {
    chargeAt[region] =
      this.#charge === undefined
        ? chargeGlobal(this.#out, this.#targets, this.#hints, this.#begin)
        : this.#charge.charge(this.#hints, this.#begin);
  }

  /** The loop `region` has closed: its cost is known, and whether it holds calls. */
  close(region: number, cost: number): void {
    const charge = this.#charge;
    const called = hasCalls[region] === 1;
    const at = chargeAt[region]!;
    if (called) hasCalls[region - 1] = 1;
    if (charge === undefined) {
      setCost(this.#out, at, cost);
      return;
    }
    charge.settle(at, cost, called);
    const loads = this.#loads;
    const before = loadsBefore[region]!;
    // In a loop without calls the meter stays right, so that loops inside need not load it.
    if (!called) for (let load = before + 1; load < loads.length; load++) charge.unload(loads.items[load]!);
    loads.length = called ? before : before + 1;
  }
}
