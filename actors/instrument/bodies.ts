import type { Appended } from "./appended.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import { mostCost } from "./charges.ts";
import { CodeWalker } from "./code-walker.ts";
import type { Declarations } from "./declarations.ts";
import type { Definitions } from "./definitions.ts";
import type { Functions } from "./functions.ts";
import { IntList } from "./int-list.ts";
import { limits } from "./options.ts";
import { isValueType, refusedType } from "./types.ts";

/** Bytes that an entry charge adds at most. */
const entryChargeBytes = 40;

/**
 * Every function body, rewritten. They lie in `out` back to back, each behind its size in five
 * bytes; the arrays go by function with a body.
 */
export class Bodies {
  readonly out: ByteWriter;
  readonly sizeAt: Int32Array;
  /** Behind the locals: where an entry charge would go. */
  readonly codeAt: Int32Array;
  readonly endAt: Int32Array;
  /** Cost of the dearest and of the cheapest path outside loops, callees left out. */
  readonly most: Int32Array;
  readonly least: Int32Array;
  /**
   * Calls: the callee among the functions with a body (their number for "through a table"), times
   * two, plus one when it is called in a loop. Those of function n start at `callsFrom[n]`.
   */
  readonly calls = new IntList();
  readonly callsFrom: Int32Array;
  /** Offsets in the body of each `if` that is hardly ever taken. */
  readonly hints = new IntList();
  readonly hintsFrom: Int32Array;
  readonly #declarations: Declarations;
  readonly #walker: CodeWalker;
  readonly #locals: ByteReader;

  constructor(declarations: Declarations, definitions: Definitions, functions: Functions, appended: Appended) {
    const { defined, bytes, file, sections } = declarations;
    const length = sections.code ? sections.code.end - sections.code.start : 0;
    this.#declarations = declarations;
    this.#locals = new ByteReader(bytes, file);
    this.out = new ByteWriter(Math.ceil(length * 1.5) + 1024, length * 4 + 2 ** 20, file);
    this.#walker = new CodeWalker(this, declarations, definitions, functions, appended);
    this.sizeAt = new Int32Array(defined);
    this.codeAt = new Int32Array(defined);
    this.endAt = new Int32Array(defined);
    this.most = new Int32Array(defined);
    this.least = new Int32Array(defined);
    this.callsFrom = new Int32Array(defined + 1);
    this.hintsFrom = new Int32Array(defined + 1);
    if (sections.code === undefined) this.#checkCount(0);
    declarations.read("code", (reader) => this.#readAll(reader));
  }

  #checkCount(count: number): void {
    const { defined } = this.#declarations;
    if (count === defined) return;
    throw this.#declarations.malformed(`it declares ${defined} functions and has bodies for ${count}`);
  }

  #readAll(reader: ByteReader): void {
    const count = reader.count("function bodies", 2);
    this.#checkCount(count);
    for (let index = 0; index < count; index++) {
      const length = reader.u32();
      const start = reader.at;
      reader.skip(length);
      this.#readOne(index, start, reader.at);
    }
    this.callsFrom[count] = this.calls.length;
    this.hintsFrom[count] = this.hints.length;
  }

  #readOne(index: number, start: number, end: number): void {
    const { out } = this;
    const where = this.#declarations.functionName(index);
    if (end - start > limits.bodyBytes) {
      throw this.#declarations.limit(`${where()} has ${end - start} bytes, more than ${limits.bodyBytes}`);
    }
    this.callsFrom[index] = this.calls.length;
    this.hintsFrom[index] = this.hints.length;
    const sizeAt = out.gap();
    const locals = this.#readLocals(index, start, end);
    const hasMeter = locals < limits.locals;
    const meterAt = out.length - 2;
    this.codeAt[index] = out.length;
    const metered = this.#walker.walk(index, this.#locals.at, end, locals, hasMeter, sizeAt + 5);
    // A function without a loop needs no meter: its group of locals counts none.
    if (hasMeter && !metered) out.bytes[meterAt] = 0;
    const size = out.length - sizeAt - 5;
    if (size + entryChargeBytes > limits.meteredBodyBytes) {
      throw this.#declarations.limit(`${where()} has ${size} bytes once it is metered`);
    }
    out.patch(sizeAt, size);
    this.sizeAt[index] = sizeAt;
    this.endAt[index] = out.length;
    this.most[index] = Math.min(mostCost, this.#walker.most);
    this.least[index] = Math.min(mostCost, this.#walker.least);
  }

  /** Copies the declared locals, with one group of one i32 more when there is room. Returns their number, parameters included. */
  #readLocals(index: number, start: number, end: number): number {
    const { out } = this;
    const reader = this.#locals;
    const { types, functionTypes, importedFunctions, bytes } = this.#declarations;
    const where = this.#declarations.functionName(index);
    reader.at = start;
    reader.end = end;
    const groups = reader.count("groups of locals", 2);
    const groupsAt = reader.at;
    let locals = types.parameterCounts[functionTypes[importedFunctions.length + index]!]!;
    for (let left = groups; left > 0; left--) {
      locals += reader.u32();
      const type = reader.byte();
      if (!isValueType(type)) throw this.#declarations.refused(refusedType(type), where());
    }
    if (locals > limits.locals) {
      throw this.#declarations.limit(`${where()} has ${locals} locals, more than ${limits.locals}`);
    }
    const room = locals < limits.locals;
    out.u32(groups + (room ? 1 : 0));
    out.copy(bytes, groupsAt, reader.at);
    if (room) {
      out.byte(1);
      out.byte(0x7f);
    }
    return locals;
  }
}
