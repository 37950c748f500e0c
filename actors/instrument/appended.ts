import * as op from "./assembler.ts";
import type { Code } from "./assembler.ts";
import type { ChargeTargets } from "./charges.ts";
import type { Declarations } from "./declarations.ts";
import { KILL, LARGE, PENDING } from "./options.ts";
import { I32, sameType } from "./types.ts";

/** Functions imported from `lattice` behind the guest's own, in this order. */
export const addedImports = [
  { name: "fuel", parameters: [], results: [I32] },
  { name: "yield", parameters: [], results: [I32] },
  { name: "wait", parameters: [], results: [I32] },
  { name: "poll", parameters: [], results: [I32] },
  { name: "next", parameters: [], results: [I32] },
  { name: "size", parameters: [I32], results: [I32] },
  { name: "done", parameters: [I32, I32], results: [I32] },
] as const;

type AddedImport = (typeof addedImports)[number]["name"];

/** Bytes that one bulk instruction moves between two charges. */
const piece = 65_536;
/** One unit of fuel for eight bytes moved. */
const bytesShift = 3;
/** Elements above this cost no more; no table is that large. */
const mostElements = 2 ** 25;

interface AppendedFunction {
  readonly type: number;
  readonly body: Uint8Array;
}

/**
 * The functions added behind the guest's: made when first asked for, so a module carries only what
 * it uses. `types` are the type entries added for them.
 */
export class Appended {
  readonly functions: (AppendedFunction | undefined)[] = [];
  readonly types: { readonly parameters: readonly number[]; readonly results: readonly number[] }[] = [];
  /** Index of the mutable i32 global that holds the fuel left. */
  readonly fuelGlobal: number;
  readonly #declarations: Declarations;
  readonly #first: number;
  readonly #made = new Map<string, number>();

  constructor(declarations: Declarations) {
    this.#declarations = declarations;
    this.fuelGlobal = declarations.globalCount;
    this.#first = declarations.functionCount + addedImports.length;
  }

  /** What charges in the guest's own functions refer to. */
  get targets(): ChargeTargets {
    return { fuel: this.fuelGlobal, slow: this.slow };
  }

  import(name: AddedImport): number {
    const offset = addedImports.findIndex((entry) => entry.name === name);
    return this.#declarations.importedFunctions.length + offset;
  }

  /** Index of the type, added when no earlier call asked for it. */
  type(parameters: readonly number[], results: readonly number[]): number {
    let offset = this.types.findIndex((type) => sameType(type, parameters, results));
    if (offset === -1) offset = this.types.push({ parameters, results }) - 1;
    return this.#declarations.types.length + offset;
  }

  /** Fuel ended: more fuel, a suspension and then more, or the end. */
  get slow(): number {
    return this.#make("slow", [], [], () => [
      1,
      [
        [...op.call(this.import("fuel")), ...op.tee(0), ...op.constant(0), ...op.atMost, ...op.when],
        [...op.get(0), ...op.when, ...op.unreachable, ...op.end],
        [...op.call(this.import("yield")), ...op.tee(0), ...op.constant(0), ...op.less],
        [...op.when, ...op.unreachable, ...op.end, ...op.end],
        [...op.get(0), ...op.setGlobal(this.fuelGlobal)],
      ],
    ]);
  }

  /** (length: i32) -> i32. Charges for a bulk instruction of so many bytes and hands the length back. */
  get chargeBytes(): number {
    return this.#make("chargeBytes", [I32], [I32], () => [0, [this.#chargeLength(0), op.get(0)]]);
  }

  /** (count: i32) -> i32. As chargeBytes for table elements. */
  get chargeElements(): number {
    const count = [...op.get(0), ...op.constant(mostElements)];
    const least = op.code(count, count, op.lessUnsigned, op.select);
    return this.#make("chargeElements", [I32], [I32], () => [
      0,
      [this.#charge([...least, ...op.constant(2), ...op.shiftLeft]), op.get(0)],
    ]);
  }

  /** (address, value, length). `memory.fill` with a charge for every 64 KiB. */
  get fill(): number {
    return this.#bulk("fill", false, (address, second, length) => [...address, ...second, ...length, ...op.memoryFill]);
  }

  /** (destination, source, length). `memory.copy` with a charge for every 64 KiB; the two may overlap. */
  get copy(): number {
    return this.#bulk("copy", true, (address, second, length) => [...address, ...second, ...length, ...op.memoryCopy]);
  }

  /** (destination, source, length). `memory.init` of a large data segment, as copy. */
  init(segment: number): number {
    const piecewise = (address: Code, second: Code, length: Code) => [
      ...address,
      ...second,
      ...length,
      ...op.memoryInit(segment),
    ];
    return this.#bulk(`init ${segment}`, true, piecewise, false);
  }

  /**
   * The loop that serves calls: takes one, runs it, says how it ended and gets the next one with
   * that. The guest's `__guest_call` has the index `guestCall`.
   *
   * A call comes as both its lengths in one number, operation in bits 24 to 30, payload below, since
   * each call out of a coroutine costs some 45 ns; lengths that do not fit are asked for.
   */
  run(guestCall: number): number {
    const next = 0;
    const rc = 1;
    return this.#make("run", [], [], () => [
      2,
      [
        [...op.call(this.import("poll")), ...op.set(next)],
        op.loop,
        [...op.get(next), ...op.isZero, ...op.when, ...op.call(this.import("next")), ...op.set(next), ...op.end],
        [...op.get(next), ...op.constant(0), ...op.less, ...op.when],
        [...op.get(next), ...op.constant(LARGE), ...op.notEqual, ...op.when, ...op.leave, ...op.end],
        [...op.constant(0), ...op.call(this.import("size")), ...op.constant(1), ...op.call(this.import("size"))],
        [...op.call(guestCall), ...op.set(rc)],
        op.otherwise,
        [...op.get(next), ...op.constant(24), ...op.shiftRightUnsigned],
        [...op.get(next), ...op.constant(0xff_ffff), ...op.and, ...op.call(guestCall), ...op.set(rc)],
        op.end,
        [...op.get(rc), ...op.getGlobal(this.fuelGlobal), ...op.call(this.import("done")), ...op.set(next)],
        [...op.branch(0), ...op.end],
      ],
    ]);
  }

  /** Stands for the imported function `index`, whose answer may come later. It returns one i32. */
  suspendable(index: number): number {
    const { type, parameters } = this.#signature(index);
    const result = parameters.length;
    const code = [
      [...parameters.flatMap((_, local) => op.get(local)), ...op.call(index), ...op.tee(result)],
      [...op.constant(PENDING), ...op.equal, ...op.when],
      [...op.call(this.import("wait")), ...op.set(result), ...op.end],
      [...op.get(result), ...op.constant(KILL), ...op.equal, ...op.when, ...op.unreachable, ...op.end],
      op.get(result),
    ];
    return this.#add({ type, body: op.body(1, ...code) });
  }

  /** Stands for the imported function `index`, after which the guest must not run on. */
  terminal(index: number): number {
    const { type, parameters } = this.#signature(index);
    const code = [...parameters.flatMap((_, local) => op.get(local)), ...op.call(index), ...op.unreachable];
    return this.#add({ type, body: op.body(0, code) });
  }

  #signature(index: number) {
    const { importedFunctions, types } = this.#declarations;
    const { type } = importedFunctions[index]!;
    return { type, parameters: types.at(type).parameters };
  }

  #add(made: AppendedFunction): number {
    return this.#first + this.functions.push(made) - 1;
  }

  #make(
    key: string,
    parameters: readonly number[],
    results: readonly number[],
    code: () => [locals: number, code: Code[]],
  ): number {
    const known = this.#made.get(key);
    if (known !== undefined) return known;
    // Its place first: the code may ask for functions that are not there yet.
    const index = this.#first + this.functions.push(undefined) - 1;
    this.#made.set(key, index);
    const type = this.type(parameters, results);
    const [locals, instructions] = code();
    this.functions[index - this.#first] = { type, body: op.body(locals, ...instructions) };
    return index;
  }

  /** Takes the result of `amount` (not negative) from the fuel. */
  #charge(amount: Code): Code {
    const fuel = op.getGlobal(this.fuelGlobal);
    const ended = op.code(fuel, op.constant(0), op.less);
    return op.code(
      op.code(fuel, amount, op.subtract, op.setGlobal(this.fuelGlobal)),
      op.code(ended, op.when, op.call(this.slow), op.end),
    );
  }

  #chargeLength(local: number): Code {
    return this.#charge([...op.get(local), ...op.constant(bytesShift), ...op.shiftRightUnsigned]);
  }

  /**
   * A bulk instruction (address, second, length) in pieces. `moves` says that the second operand is
   * an address that moves along; `overlaps` that source and destination may be the same memory.
   * The bounds of the whole are checked first, by doing it with no length at its far end.
   */
  #bulk(
    key: string,
    moves: boolean,
    instruction: (address: Code, second: Code, length: Code) => Code,
    overlaps = moves,
  ): number {
    const [address, second, length] = [0, 1, 2];
    const far = (local: number): Code => [...op.get(local), ...op.get(length), ...op.add];
    const wraps = (local: number): Code => [...far(local), ...op.get(local), ...op.lessUnsigned];
    const step = (local: number): Code => [...op.get(local), ...op.constant(piece), ...op.add, ...op.set(local)];
    const shorten = [...op.get(length), ...op.constant(piece), ...op.subtract, ...op.set(length)];
    const more = [...op.get(length), ...op.constant(piece), ...op.greaterUnsigned, ...op.branchIf(0)];
    const whole = instruction(op.get(address), op.get(second), op.get(length));
    return this.#make(key, [I32, I32, I32], [], () => {
      const pay = this.#charge(op.constant(piece >>> bytesShift));
      const forwards = op.code(
        op.code(op.loop, pay, instruction(op.get(address), op.get(second), op.constant(piece))),
        op.code(step(address), moves ? step(second) : [], shorten, more, op.end),
      );
      const backwards = op.code(
        op.code(op.loop, pay, shorten),
        op.code(instruction(far(address), far(second), op.constant(piece)), more, op.end),
      );
      const isForwards = op.code(op.get(address), op.get(second), op.atMostUnsigned);
      const code = [
        op.code(op.block, op.get(length), op.constant(piece), op.atMostUnsigned, op.branchIf(0)),
        op.code(wraps(address), moves ? op.code(wraps(second), op.or) : []),
        op.code(op.when, whole, op.leave, op.end),
        instruction(far(address), moves ? far(second) : op.get(second), op.constant(0)),
        overlaps ? op.code(isForwards, op.when, forwards, op.otherwise, backwards, op.end) : forwards,
        op.code(op.end, this.#chargeLength(length), whole),
      ];
      return [0, code];
    });
  }
}
