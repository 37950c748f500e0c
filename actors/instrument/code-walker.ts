import type { LatticeError } from "../../lattice/index.ts";
import type { Appended } from "./appended.ts";
import type { Bodies } from "./bodies.ts";
import type { ByteWriter } from "./bytes.ts";
import { chargeGlobal, type ChargeTargets, LoopCharge, setCost } from "./charges.ts";
import type { Declarations } from "./declarations.ts";
import type { Definitions } from "./definitions.ts";
import type { Functions } from "./functions.ts";
import { IntList } from "./int-list.ts";
import { costs, costsFc, refusedOpcode, Shape, shapes, shapesFc, shapesFd } from "./opcodes.ts";
import { limits } from "./options.ts";
import { Frame, PathCost } from "./path-cost.ts";
import { isReferenceType, isValueType, refusedType } from "./types.ts";

/**
 * Fuel that a loop charges for each call in it, beside the call itself: the most that a function
 * without an entry charge uses before it charges at all. Measured on the Rust examples: 64 costs
 * 1.16 of plain, 256 and 512 cost 1.12.
 */
export const unchargedMost = 256;

/** Fuel for calling into the host, beside what the host charges itself. */
const hostCallCost = 20;

const endOpcode = 0x0b;

/** Data segments above this many bytes are copied in pieces. */
const largeSegment = 65_536;

/**
 * Scratch of the one walk that this thread is on: half a megabyte for the deepest nesting. Made anew
 * for each module it would be most of what preparing a small one allocates.
 */
const path = new PathCost();
const chargeAt = new Int32Array(limits.nesting + 2);
const hasCalls = new Uint8Array(limits.nesting + 2);
const loadsBefore = new Int32Array(limits.nesting + 2);

/**
 * Rewrites the code of one function after another, in one pass: renumbers functions, writes charges
 * in loop headers and before bulk instructions, and notes calls for the call graph. What it does not
 * change it copies in runs. It reads numbers as far as it needs them; everything copied is checked
 * again when the module is compiled.
 */
export class CodeWalker {
  readonly #bytes: Uint8Array;
  readonly #out: ByteWriter;
  readonly #calls: IntList;
  readonly #hints: IntList;
  readonly #declarations: Declarations;
  readonly #definitions: Definitions;
  readonly #map: Int32Array;
  readonly #functions: Functions;
  readonly #appended: Appended;
  readonly #imported: number;
  readonly #path = path;
  /** By open loops: where the charge is, whether the loop holds calls, how many loads lay before its own. */
  readonly #chargeAt = chargeAt;
  readonly #hasCalls = hasCalls;
  readonly #loadsBefore = loadsBefore;
  /** Where meters are loaded before loops that may turn out to lie in one without calls. */
  readonly #loads = new IntList();
  readonly #targets: ChargeTargets;
  #function = 0;
  #end = 0;
  /** Input up to here is in the output. */
  #copied = 0;
  /** Where the last number ended. */
  #next = 0;
  /** Undefined when the function has no local to spare. */
  #loopCharge: LoopCharge | undefined;
  #metered = false;
  /** Where the body begins in the output. */
  #begin = 0;

  constructor(
    bodies: Bodies,
    declarations: Declarations,
    definitions: Definitions,
    functions: Functions,
    appended: Appended,
  ) {
    this.#bytes = declarations.bytes;
    this.#out = bodies.out;
    this.#calls = bodies.calls;
    this.#hints = bodies.hints;
    this.#declarations = declarations;
    this.#definitions = definitions;
    this.#functions = functions;
    this.#map = functions.map;
    this.#appended = appended;
    this.#targets = appended.targets;
    this.#imported = declarations.importedFunctions.length;
  }

  /** Cost of the dearest path through the function just walked, loops and callees left out. */
  get most(): number {
    return this.#path.most;
  }

  /** Cost of the cheapest path through it. */
  get least(): number {
    return this.#path.least;
  }

  /** Walks input `[start, end)`. Says whether the local behind the guest's own is in use. */
  walk(index: number, start: number, end: number, locals: number, hasMeter: boolean, begin: number): boolean {
    this.#function = index;
    this.#copied = start;
    this.#end = end;
    this.#loopCharge = hasMeter ? new LoopCharge(this.#out, this.#targets, locals) : undefined;
    this.#loads.length = 0;
    this.#metered = false;
    this.#begin = begin;
    // Locals are set to zero at each call.
    this.#path.begin(locals >> 3);
    this.#code(start, end, locals);
    return this.#metered;
  }

  /**
   * The common instructions are here, in the order of how often they occur. What the loop needs is
   * in local variables: the first module of a process is walked before any of this is compiled.
   */
  #code(start: number, end: number, locals: number): void {
    const bytes = this.#bytes;
    const path = this.#path;
    const shapeOf = shapes;
    const costOf = costs;
    const { local, plain, int32, memoryArgument, branchIf, block, call } = Shape;
    /** Of the instructions since the last that leads elsewhere. */
    let cost = 0;
    let pos = start;
    while (pos < end) {
      const at = pos;
      const opcode = bytes[pos++]!;
      const shape = shapeOf[opcode]!;
      cost += costOf[opcode]!;
      if (shape === local) {
        let index = bytes[pos++]!;
        if (index >= 0x80) {
          index = this.#u32(pos - 1);
          pos = this.#next;
        }
        if (index >= locals) throw this.#malformed(`there is no local ${index}`, at);
        continue;
      }
      if (shape === plain) continue;
      if (shape === int32) {
        if (bytes[pos++]! >= 0x80) pos = this.#skipSigned(pos - 1, 5);
        continue;
      }
      if (shape === memoryArgument) {
        // Alignment and offset, as most are: one byte each, and no memory named.
        if (bytes[pos]! < 0x40 && bytes[pos + 1]! < 0x80) pos += 2;
        else pos = this.#memoryArgument(pos);
        continue;
      }
      path.now += cost;
      cost = 0;
      if (opcode === endOpcode) {
        if (path.depth === 0) {
          if (pos !== end) throw this.#malformed("it goes on after its end", pos);
          this.#flush(pos);
          return;
        }
        const isLoop = path.kinds[path.depth] === Frame.loop;
        const iteration = path.close();
        if (isLoop) this.#settleLoop(iteration);
      } else if (shape === branchIf) {
        this.#branch(this.#u32(pos), at);
        pos = this.#next;
      } else if (shape === block) {
        pos = this.#blockType(pos);
        this.#open(Frame.block);
      } else if (shape === call) {
        this.#call(this.#u32(pos), pos);
        pos = this.#next;
      } else {
        pos = this.#lessCommon(shape, opcode, at, pos);
      }
    }
    throw this.#malformed("it ends too early", end);
  }

  #lessCommon(shape: number, opcode: number, at: number, pos: number): number {
    const path = this.#path;
    switch (shape) {
      case Shape.branch:
        this.#branch(this.#u32(pos), at);
        path.leave();
        return this.#next;
      case Shape.loop: {
        const next = this.#blockType(pos);
        this.#open(Frame.loop);
        this.#chargeLoop(at, next);
        return next;
      }
      case Shape.if: {
        const next = this.#blockType(pos);
        this.#open(Frame.if);
        return next;
      }
      case Shape.else:
        if (path.kinds[path.depth] !== Frame.if) throw this.#malformed("an else has no if", at);
        path.else();
        return pos;
      case Shape.return:
        this.#return(at);
        return pos;
      case Shape.leave:
        path.leave();
        return pos;
      case Shape.global: {
        const index = this.#u32(pos);
        if (!(index < this.#declarations.globalCount)) throw this.#malformed(`there is no global ${index}`, at);
        return this.#next;
      }
      case Shape.int64:
        return this.#skipSigned(pos, 10);
      case Shape.bytes4:
        return pos + 4;
      case Shape.bytes8:
        return pos + 8;
      case Shape.bytes16:
        return pos + 16;
      case Shape.lane:
        return pos + 1;
      case Shape.memoryArgumentLane:
        return this.#memoryArgument(pos) + 1;
      case Shape.index:
        return this.#skipUnsigned(pos);
      case Shape.memory:
        return this.#memoryIndex(pos);
      case Shape.branchTable:
        return this.#branchTable(pos, at);
      case Shape.callIndirect:
      case Shape.returnCallIndirect: {
        const type = this.#u32(pos);
        if (!(type < this.#declarations.types.length)) throw this.#malformed(`there is no type ${type}`, at);
        this.#noteCall(this.#declarations.defined);
        const next = this.#skipUnsigned(this.#next);
        if (shape === Shape.returnCallIndirect) this.#return(at);
        return next;
      }
      case Shape.returnCall: {
        this.#call(this.#u32(pos), pos);
        this.#return(at);
        return this.#next;
      }
      case Shape.prefix:
        return this.#prefixed(opcode, at, pos);
      default:
        return this.#rare(shape, opcode, at, pos);
    }
  }

  #rare(shape: number, opcode: number, at: number, pos: number): number {
    const path = this.#path;
    const bytes = this.#bytes;
    switch (shape) {
      case Shape.selectTyped: {
        let left = this.#count(pos, at);
        let next = this.#next;
        for (; left > 0; left--) this.#valueType(bytes[next++]!);
        return next;
      }
      case Shape.refNull: {
        const type = bytes[pos]!;
        if (!isReferenceType(type)) {
          const feature = type < 0x40 || type >= 0x80 ? "function-references" : refusedType(type);
          throw this.#declarations.refused(feature, this.#where());
        }
        return pos + 1;
      }
      case Shape.refFunc: {
        const index = this.#u32(pos);
        this.#renumber(index, pos);
        this.#functions.escape(index);
        return this.#next;
      }
      case Shape.try: {
        const next = this.#blockType(pos);
        this.#open(Frame.try);
        return next;
      }
      case Shape.catch:
      case Shape.catchAll: {
        const kind = path.kinds[path.depth];
        if (kind !== Frame.try && kind !== Frame.catch) throw this.#malformed("a handler has no try", at);
        path.handle();
        return shape === Shape.catch ? this.#skipUnsigned(pos) : pos;
      }
      case Shape.delegate:
        if (path.kinds[path.depth] !== Frame.try) throw this.#malformed("a delegate has no try", at);
        path.close();
        return this.#skipUnsigned(pos);
      case Shape.tryTable:
        return this.#tryTable(pos, at);
      case Shape.leaveIndex:
        path.leave();
        return this.#skipUnsigned(pos);
      default: {
        const code = opcode === 0xfb || opcode === 0xfe ? this.#u32(pos) : 0;
        throw this.#declarations.refused(refusedOpcode(opcode, code), this.#instruction(opcode, code));
      }
    }
  }

  /** Instructions of two parts, after 0xfc and 0xfd. */
  #prefixed(opcode: number, at: number, pos: number): number {
    const code = this.#u32(pos);
    const next = this.#next;
    const simd = opcode === 0xfd;
    const shape = (simd ? shapesFd[code] : shapesFc[code]) ?? Shape.refused;
    this.#path.now += simd ? 1 : (costsFc[code] ?? 0);
    const { memory } = this.#declarations;
    switch (shape) {
      case Shape.refused:
        throw this.#declarations.refused(refusedOpcode(opcode, code), this.#instruction(opcode, code));
      case Shape.plain:
        return next;
      case Shape.memoryFill: {
        const after = this.#memoryIndex(next);
        if (memory === undefined) throw this.#malformed("it has no memory to fill", at);
        return this.#replace(at, after, this.#appended.fill);
      }
      case Shape.memoryCopy: {
        const after = this.#memoryIndex(this.#memoryIndex(next));
        if (memory === undefined) throw this.#malformed("it has no memory to copy in", at);
        return this.#replace(at, after, this.#appended.copy);
      }
      case Shape.memoryInit: {
        const segment = this.#u32(next);
        const after = this.#memoryIndex(this.#next);
        const size = this.#definitions.dataSizes[segment];
        if (size === undefined || memory === undefined) throw this.#malformed(`it cannot init ${segment}`, at);
        if (size > largeSegment) return this.#replace(at, after, this.#appended.init(segment));
        this.#insert(at, this.#appended.chargeBytes);
        return after;
      }
      case Shape.tableGrowOrFill:
        this.#insert(at, this.#appended.chargeElements);
        return this.#skipUnsigned(next);
      case Shape.tableInitOrCopy:
        this.#insert(at, this.#appended.chargeElements);
        return this.#skipUnsigned(this.#skipUnsigned(next));
      default:
        return this.#lessCommonOrMemory(shape, opcode, at, next);
    }
  }

  #lessCommonOrMemory(shape: number, opcode: number, at: number, pos: number): number {
    return shape === Shape.memoryArgument ? this.#memoryArgument(pos) : this.#lessCommon(shape, opcode, at, pos);
  }

  // --- output -------------------------------------------------------------------------------------

  #flush(to: number): void {
    this.#out.copy(this.#bytes, this.#copied, to);
    this.#copied = to;
  }

  #callOurs(index: number): void {
    this.#hasCalls[this.#path.region] = 1;
    this.#out.byte(0x10);
    this.#out.u32(index);
  }

  /** Puts a call of one of our functions before the instruction at `at`. */
  #insert(at: number, index: number): void {
    this.#flush(at);
    this.#callOurs(index);
  }

  #replace(at: number, after: number, index: number): number {
    this.#insert(at, index);
    this.#copied = after;
    return after;
  }

  #renumber(index: number, at: number): void {
    if (!(index < this.#map.length)) throw this.#malformed(`there is no function ${index}`, at);
    this.#flush(at);
    this.#out.u32(this.#map[index]!);
    this.#copied = this.#next;
  }

  /** Copies a loop's header with its charge. */
  #chargeLoop(at: number, after: number): void {
    const { region } = this.#path;
    const charge = this.#loopCharge;
    this.#hasCalls[region] = 0;
    this.#metered = charge !== undefined;
    this.#loadsBefore[region] = this.#loads.length;
    if (charge === undefined) {
      this.#flush(after);
      this.#chargeAt[region] = chargeGlobal(this.#out, this.#targets, this.#hints, this.#begin);
      return;
    }
    this.#flush(at);
    this.#loads.push(charge.load());
    this.#flush(after);
    this.#chargeAt[region] = charge.charge(this.#hints, this.#begin);
  }

  /** The loop just closed knows its cost, and whether calls may change the fuel while it runs. */
  #settleLoop(cost: number): void {
    const region = this.#path.region + 1;
    const charge = this.#loopCharge;
    const hasCalls = this.#hasCalls[region] === 1;
    const at = this.#chargeAt[region]!;
    if (hasCalls) this.#hasCalls[region - 1] = 1;
    if (charge === undefined) {
      setCost(this.#out, at, cost);
      return;
    }
    charge.settle(at, cost, hasCalls);
    const before = this.#loadsBefore[region]!;
    // In a loop without calls the meter stays right, so that loops inside need not load it.
    if (!hasCalls)
      for (let load = before + 1; load < this.#loads.length; load++) charge.unload(this.#loads.items[load]!);
    this.#loads.length = hasCalls ? before : before + 1;
  }

  // --- control ------------------------------------------------------------------------------------

  #open(kind: number): void {
    if (!this.#path.open(kind)) {
      throw this.#declarations.limit(`${this.#where()} nests deeper than ${limits.nesting}`);
    }
  }

  #branch(label: number, at: number): void {
    if (!this.#path.branch(label)) throw this.#malformed("a branch has no target", at);
  }

  #return(at: number): void {
    this.#branch(this.#path.depth, at);
    this.#path.leave();
  }

  #branchTable(pos: number, at: number): number {
    let left = this.#count(pos, at);
    for (; left >= 0; left--) this.#branch(this.#u32(this.#next), at);
    this.#path.leave();
    return this.#next;
  }

  /** The labels of its handlers count from outside the block. */
  #tryTable(pos: number, at: number): number {
    const afterType = this.#blockType(pos);
    let left = this.#count(afterType, at);
    let next = this.#next;
    for (; left > 0; left--) {
      const kind = this.#bytes[next++]!;
      // catch, catch_ref, catch_all, catch_all_ref
      if (!(kind <= 3)) throw this.#malformed("a handler is of unknown kind", at);
      if (kind <= 1) next = this.#skipUnsigned(next);
      if (!this.#path.handledAt(this.#u32(next))) throw this.#malformed("a handler has no target", at);
      next = this.#next;
    }
    this.#open(Frame.block);
    return next;
  }

  #call(callee: number, at: number): void {
    this.#renumber(callee, at);
    this.#hasCalls[this.#path.region] = 1;
    if (callee < this.#imported) this.#path.now += hostCallCost;
    else this.#noteCall(callee - this.#imported);
  }

  #noteCall(callee: number): void {
    const looped = this.#path.region > 0;
    this.#hasCalls[this.#path.region] = 1;
    this.#calls.push(callee * 2 + (looped ? 1 : 0));
    if (!looped) return;
    this.#path.now += unchargedMost;
    this.#path.slack += unchargedMost;
  }

  // --- numbers and types -----------------------------------------------------------------------------

  /** Reads LEB128 of at most 32 bits without sign; `#next` is where it ended. */
  #u32(at: number): number {
    const bytes = this.#bytes;
    let next = at;
    let byte = bytes[next++]!;
    let value = byte & 0x7f;
    for (let shift = 7; byte >= 0x80; shift += 7) {
      byte = bytes[next++]!;
      if (shift === 28 && !(byte <= 0x0f)) throw this.#malformed("a number is too long", at);
      value += (byte & 0x7f) * 2 ** shift;
    }
    if (next > this.#end) throw this.#malformed("it ends too early", at);
    this.#next = next;
    return value;
  }

  /** A count of items of at least one byte each. */
  #count(pos: number, at: number): number {
    const count = this.#u32(pos);
    if (count > this.#end - this.#next) throw this.#malformed("it counts more than it holds", at);
    return count;
  }

  #skipUnsigned(at: number): number {
    return this.#skipSigned(at, 5);
  }

  #skipSigned(at: number, most: number): number {
    const bytes = this.#bytes;
    let next = at;
    while (bytes[next++]! >= 0x80) if (next - at === most) throw this.#malformed("a number is too long", at);
    return next;
  }

  /** Alignment and offset. A bit in the alignment announces a memory index. */
  #memoryArgument(at: number): number {
    const bytes = this.#bytes;
    const align = bytes[at]!;
    if ((align & 0x40) !== 0) throw this.#declarations.refused("multi-memory", this.#where());
    if (align < 0x80 && bytes[at + 1]! < 0x80) return at + 2;
    return this.#skipUnsigned(this.#skipUnsigned(at));
  }

  #memoryIndex(at: number): number {
    if (this.#bytes[at] !== 0) throw this.#declarations.refused("multi-memory", this.#where());
    return at + 1;
  }

  #valueType(code: number): void {
    if (!isValueType(code)) throw this.#declarations.refused(refusedType(code), this.#where());
  }

  #blockType(at: number): number {
    const bytes = this.#bytes;
    const byte = bytes[at]!;
    if (byte === 0x40 || isValueType(byte)) return at + 1;
    if (byte > 0x40 && byte < 0x80) this.#valueType(byte);
    const index = this.#u32(at);
    const positive = bytes[this.#next - 1]! < 0x40;
    if (!positive || index >= this.#declarations.types.length) throw this.#malformed("a block has no type", at);
    return this.#next;
  }

  // --- errors ------------------------------------------------------------------------------------------

  #where(): string {
    return this.#declarations.functionName(this.#function)();
  }

  #instruction(opcode: number, code: number): string {
    return `${hex(opcode)}${opcode > 0xfa && opcode < 0xff ? ` ${hex(code)}` : ""} in ${this.#where()}`;
  }

  #malformed(why: string, at: number): LatticeError {
    return this.#declarations.malformed(`${why} in ${this.#where()} at byte ${at}`);
  }
}

const hex = (value: number) => `0x${value.toString(16).padStart(2, "0")}`;
