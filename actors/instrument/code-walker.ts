import type { Appended } from "./appended.ts";
import type { Bodies } from "./bodies.ts";
import type { ByteWriter } from "./bytes.ts";
import { CodeReader } from "./code-reader.ts";
import type { Declarations } from "./declarations.ts";
import type { Definitions } from "./definitions.ts";
import type { Functions } from "./functions.ts";
import type { IntList } from "./int-list.ts";
import { LoopMeters } from "./loop-meters.ts";
import { costs, costsFc, refusedOpcode, Shape, shapes, shapesFc, shapesFd } from "./opcodes.ts";
import { limits } from "./options.ts";
import { Frame, PathCost } from "./path-cost.ts";
import { isReferenceType, refusedType } from "./types.ts";

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

/** Scratch of the one walk that this thread is on; anew for each module it would be most of what a small one allocates. */
const path = new PathCost();

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
  readonly #declarations: Declarations;
  readonly #definitions: Definitions;
  readonly #map: Int32Array;
  readonly #functions: Functions;
  readonly #appended: Appended;
  readonly #imported: number;
  readonly #path = path;
  readonly #loops: LoopMeters;
  readonly #reader: CodeReader;
  /** Input up to here is in the output. */
  #copied = 0;

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
    this.#declarations = declarations;
    this.#definitions = definitions;
    this.#functions = functions;
    this.#map = functions.map;
    this.#appended = appended;
    this.#loops = new LoopMeters(bodies.out, appended.targets, bodies.hints);
    this.#reader = new CodeReader(declarations);
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
    this.#reader.begin(index, end);
    this.#loops.begin(begin, hasMeter ? locals : -1);
    this.#copied = start;
    // Locals are set to zero at each call.
    this.#path.begin(locals >> 3);
    this.#code(start, end, locals);
    return this.#loops.metered;
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
          index = this.#reader.u32(pos - 1);
          pos = this.#reader.next;
        }
        if (index >= locals) throw this.#reader.malformed(`there is no local ${index}`, at);
        continue;
      }
      if (shape === plain) continue;
      if (shape === int32) {
        if (bytes[pos++]! >= 0x80) pos = this.#reader.skipSigned(pos - 1, 5);
        continue;
      }
      if (shape === memoryArgument) {
        // Alignment and offset, as most are: one byte each, and no memory named.
        if (bytes[pos]! < 0x40 && bytes[pos + 1]! < 0x80) pos += 2;
        else pos = this.#reader.memoryArgument(pos);
        continue;
      }
      path.now += cost;
      cost = 0;
      if (opcode === endOpcode) {
        if (path.depth === 0) {
          if (pos !== end) throw this.#reader.malformed("it goes on after its end", pos);
          this.#flush(pos);
          return;
        }
        const isLoop = path.kinds[path.depth] === Frame.loop;
        const iteration = path.close();
        if (isLoop) this.#loops.close(path.region + 1, iteration);
      } else if (shape === branchIf) {
        this.#branch(this.#reader.u32(pos), at);
        pos = this.#reader.next;
      } else if (shape === block) {
        pos = this.#reader.blockType(pos);
        this.#open(Frame.block);
      } else if (shape === call) {
        this.#call(this.#reader.u32(pos), pos);
        pos = this.#reader.next;
      } else {
        pos = this.#lessCommon(shape, opcode, at, pos);
      }
    }
    throw this.#reader.malformed("it ends too early", end);
  }

  #lessCommon(shape: number, opcode: number, at: number, pos: number): number {
    const path = this.#path;
    switch (shape) {
      case Shape.branch:
        this.#branch(this.#reader.u32(pos), at);
        path.leave();
        return this.#reader.next;
      case Shape.loop: {
        const next = this.#reader.blockType(pos);
        this.#open(Frame.loop);
        this.#flush(at);
        this.#loops.before(path.region);
        this.#flush(next);
        this.#loops.open(path.region);
        return next;
      }
      case Shape.if: {
        const next = this.#reader.blockType(pos);
        this.#open(Frame.if);
        return next;
      }
      case Shape.else:
        if (path.kinds[path.depth] !== Frame.if) throw this.#reader.malformed("an else has no if", at);
        path.else();
        return pos;
      case Shape.return:
        this.#return(at);
        return pos;
      case Shape.leave:
        path.leave();
        return pos;
      case Shape.global: {
        const index = this.#reader.u32(pos);
        if (!(index < this.#declarations.globalCount)) throw this.#reader.malformed(`there is no global ${index}`, at);
        return this.#reader.next;
      }
      case Shape.int64:
        return this.#reader.skipSigned(pos, 10);
      case Shape.bytes4:
        return pos + 4;
      case Shape.bytes8:
        return pos + 8;
      case Shape.bytes16:
        return pos + 16;
      case Shape.lane:
        return pos + 1;
      case Shape.memoryArgumentLane:
        return this.#reader.memoryArgument(pos) + 1;
      case Shape.index:
        return this.#reader.skipUnsigned(pos);
      case Shape.memory:
        return this.#reader.memoryIndex(pos);
      case Shape.branchTable:
        return this.#branchTable(pos, at);
      case Shape.callIndirect:
      case Shape.returnCallIndirect: {
        const type = this.#reader.u32(pos);
        if (!(type < this.#declarations.types.length)) throw this.#reader.malformed(`there is no type ${type}`, at);
        this.#noteCall(this.#declarations.defined);
        const next = this.#reader.skipUnsigned(this.#reader.next);
        if (shape === Shape.returnCallIndirect) this.#return(at);
        return next;
      }
      case Shape.returnCall: {
        this.#call(this.#reader.u32(pos), pos);
        this.#return(at);
        return this.#reader.next;
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
        let left = this.#reader.count(pos, at);
        let next = this.#reader.next;
        for (; left > 0; left--) this.#reader.valueType(bytes[next++]!);
        return next;
      }
      case Shape.refNull: {
        const type = bytes[pos]!;
        if (!isReferenceType(type)) {
          const feature = type < 0x40 || type >= 0x80 ? "function-references" : refusedType(type);
          throw this.#declarations.refused(feature, this.#reader.where());
        }
        return pos + 1;
      }
      case Shape.refFunc: {
        const index = this.#reader.u32(pos);
        this.#renumber(index, pos);
        this.#functions.escape(index);
        return this.#reader.next;
      }
      case Shape.try: {
        const next = this.#reader.blockType(pos);
        this.#open(Frame.try);
        return next;
      }
      case Shape.catch:
      case Shape.catchAll: {
        const kind = path.kinds[path.depth];
        if (kind !== Frame.try && kind !== Frame.catch) throw this.#reader.malformed("a handler has no try", at);
        path.handle();
        return shape === Shape.catch ? this.#reader.skipUnsigned(pos) : pos;
      }
      case Shape.delegate:
        if (path.kinds[path.depth] !== Frame.try) throw this.#reader.malformed("a delegate has no try", at);
        path.close();
        return this.#reader.skipUnsigned(pos);
      case Shape.tryTable:
        return this.#tryTable(pos, at);
      case Shape.leaveIndex:
        path.leave();
        return this.#reader.skipUnsigned(pos);
      default: {
        const code = opcode === 0xfb || opcode === 0xfe ? this.#reader.u32(pos) : 0;
        throw this.#declarations.refused(refusedOpcode(opcode, code), this.#reader.instruction(opcode, code));
      }
    }
  }

  /** Instructions of two parts, after 0xfc and 0xfd. */
  #prefixed(opcode: number, at: number, pos: number): number {
    const code = this.#reader.u32(pos);
    const next = this.#reader.next;
    const simd = opcode === 0xfd;
    const shape = (simd ? shapesFd[code] : shapesFc[code]) ?? Shape.refused;
    this.#path.now += simd ? 1 : (costsFc[code] ?? 0);
    const { memory } = this.#declarations;
    switch (shape) {
      case Shape.refused:
        throw this.#declarations.refused(refusedOpcode(opcode, code), this.#reader.instruction(opcode, code));
      case Shape.plain:
        return next;
      case Shape.memoryFill: {
        const after = this.#reader.memoryIndex(next);
        if (memory === undefined) throw this.#reader.malformed("it has no memory to fill", at);
        return this.#replace(at, after, this.#appended.fill);
      }
      case Shape.memoryCopy: {
        const after = this.#reader.memoryIndex(this.#reader.memoryIndex(next));
        if (memory === undefined) throw this.#reader.malformed("it has no memory to copy in", at);
        return this.#replace(at, after, this.#appended.copy);
      }
      case Shape.memoryInit: {
        const segment = this.#reader.u32(next);
        const after = this.#reader.memoryIndex(this.#reader.next);
        const size = this.#definitions.dataSizes[segment];
        if (size === undefined || memory === undefined) throw this.#reader.malformed(`it cannot init ${segment}`, at);
        if (size > largeSegment) return this.#replace(at, after, this.#appended.init(segment));
        this.#insert(at, this.#appended.chargeBytes);
        return after;
      }
      case Shape.tableGrowOrFill:
        this.#insert(at, this.#appended.chargeElements);
        return this.#reader.skipUnsigned(next);
      case Shape.tableInitOrCopy:
        this.#insert(at, this.#appended.chargeElements);
        return this.#reader.skipUnsigned(this.#reader.skipUnsigned(next));
      default:
        return this.#lessCommonOrMemory(shape, opcode, at, next);
    }
  }

  #lessCommonOrMemory(shape: number, opcode: number, at: number, pos: number): number {
    return shape === Shape.memoryArgument ? this.#reader.memoryArgument(pos) : this.#lessCommon(shape, opcode, at, pos);
  }

  // --- output -------------------------------------------------------------------------------------

  #flush(to: number): void {
    this.#out.copy(this.#bytes, this.#copied, to);
    this.#copied = to;
  }

  #callOurs(index: number): void {
    this.#loops.calls(this.#path.region);
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
    if (!(index < this.#map.length)) throw this.#reader.malformed(`there is no function ${index}`, at);
    this.#flush(at);
    this.#out.u32(this.#map[index]!);
    this.#copied = this.#reader.next;
  }

  // --- control ------------------------------------------------------------------------------------

  #open(kind: number): void {
    if (!this.#path.open(kind)) {
      throw this.#declarations.limit(`${this.#reader.where()} nests deeper than ${limits.nesting}`);
    }
  }

  #branch(label: number, at: number): void {
    if (!this.#path.branch(label)) throw this.#reader.malformed("a branch has no target", at);
  }

  #return(at: number): void {
    this.#branch(this.#path.depth, at);
    this.#path.leave();
  }

  #branchTable(pos: number, at: number): number {
    let left = this.#reader.count(pos, at);
    for (; left >= 0; left--) this.#branch(this.#reader.u32(this.#reader.next), at);
    this.#path.leave();
    return this.#reader.next;
  }

  /** The labels of its handlers count from outside the block. */
  #tryTable(pos: number, at: number): number {
    const afterType = this.#reader.blockType(pos);
    let left = this.#reader.count(afterType, at);
    let next = this.#reader.next;
    for (; left > 0; left--) {
      const kind = this.#bytes[next++]!;
      // catch, catch_ref, catch_all, catch_all_ref
      if (!(kind <= 3)) throw this.#reader.malformed("a handler is of unknown kind", at);
      if (kind <= 1) next = this.#reader.skipUnsigned(next);
      if (!this.#path.handledAt(this.#reader.u32(next))) throw this.#reader.malformed("a handler has no target", at);
      next = this.#reader.next;
    }
    this.#open(Frame.block);
    return next;
  }

  #call(callee: number, at: number): void {
    this.#renumber(callee, at);
    this.#loops.calls(this.#path.region);
    if (callee < this.#imported) this.#path.now += hostCallCost;
    else this.#noteCall(callee - this.#imported);
  }

  #noteCall(callee: number): void {
    const looped = this.#path.region > 0;
    this.#loops.calls(this.#path.region);
    this.#calls.push(callee * 2 + (looped ? 1 : 0));
    if (!looped) return;
    this.#path.now += unchargedMost;
    this.#path.slack += unchargedMost;
  }
}
