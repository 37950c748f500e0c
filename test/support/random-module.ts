import { type Code, i32, i64, leb, magic, section, signedLeb, text, vector, wideLeb } from "./wasm-bytes.ts";

/**
 * Valid modules drawn from a tape of random bytes; a shorter tape makes a simpler module, so that a
 * failing one shrinks. Every module ends: loops and functions count down one global and leave when it
 * is used up. What the guest does outside is visible: `env.note(i32)` and `env.ask(i32) -> i32`.
 *
 * Exports: `main(i32) -> i64`, `memory`, `budget` (mutable i32), `state` (mutable i64).
 */
export function randomModule(tape: Uint8Array): Uint8Array {
  return new Generator(tape).module();
}

type Type = typeof i32 | typeof i64;

interface Signature {
  readonly parameters: readonly Type[];
  readonly results: readonly Type[];
}

const imported = 2;
const note = 0;
const ask = 1;
const tag = 0;
const budget = 0;
const state = 1;
/** Types known by index: of note, ask, a tag and a loop that passes one i32 round. */
const fixedTypes: readonly Signature[] = [
  { parameters: [i32], results: [] },
  { parameters: [i32], results: [i32] },
  { parameters: [i32, i64], results: [i64, i32] },
];

class Generator {
  readonly #tape: Uint8Array;
  #at = 0;
  #signatures: Signature[] = [];
  #exceptions: "legacy" | "exnref" | "none" = "none";
  /** Of the function being written. */
  #locals: Type[] = [];
  #results: readonly Type[] = [];
  /** Operand types of each open label, innermost last. */
  #labels: (readonly Type[])[] = [];
  #depth = 0;

  constructor(tape: Uint8Array) {
    this.#tape = tape;
  }

  #pick(choices: number): number {
    return (this.#tape[this.#at++] ?? 0) % choices;
  }

  #index(value: number): Code {
    return this.#pick(4) === 3 ? wideLeb(value) : leb(value);
  }

  module(): Uint8Array {
    this.#exceptions = (["none", "legacy", "exnref"] as const)[this.#pick(3)]!;
    const types = (): Type[] => Array.from({ length: this.#pick(4) }, () => (this.#pick(2) === 0 ? i32 : i64));
    const helpers = Array.from({ length: this.#pick(6) }, () => ({ parameters: types(), results: types() }));
    this.#signatures = [{ parameters: [i32], results: [i64] }, ...helpers];
    const bodies = this.#signatures.map((signature) => this.#body(signature));
    const held = this.#signatures.map((_, index) => index + imported).concat(note);
    const allTypes = [...fixedTypes, ...this.#signatures];
    return Uint8Array.from([
      ...magic,
      ...section(
        1,
        vector(
          allTypes.map(({ parameters, results }) => [
            0x60,
            ...vector(parameters.map((type) => [type])),
            ...vector(results.map((type) => [type])),
          ]),
        ),
      ),
      ...section(
        2,
        vector([
          [...text("env"), ...text("note"), 0, 0],
          [...text("env"), ...text("ask"), 0, 1],
        ]),
      ),
      ...section(3, vector(this.#signatures.map((_, index) => leb(fixedTypes.length + index)))),
      ...section(4, [1, 0x70, 1, held.length, 64]),
      ...section(5, [1, 0, 4]),
      ...(this.#exceptions === "none" ? [] : section(13, [1, 0, 0])),
      ...section(
        6,
        vector([
          [i32, 1, 0x41, 0, 0x0b],
          [i64, 1, 0x42, 0, 0x0b],
        ]),
      ),
      ...section(
        7,
        vector([
          [...text("main"), 0, ...leb(imported)],
          [...text("memory"), 2, 0],
          [...text("budget"), 3, budget],
          [...text("state"), 3, state],
        ]),
      ),
      ...section(9, vector([[0, 0x41, 0, 0x0b, ...vector(held.map((index) => this.#index(index)))]])),
      ...section(12, [1]),
      ...section(10, vector(bodies.map((body) => [...leb(body.length), ...body]))),
      ...section(11, vector([[1, ...vector([[1], [2], [3], [250]])]])),
    ]);
  }

  #body(signature: Signature): Code {
    const extra: Type[] = [i32, i64, ...(this.#pick(2) === 0 ? [] : ([i64, i32] as const))];
    this.#locals = [...signature.parameters, ...extra];
    this.#results = signature.results;
    this.#labels = [signature.results];
    this.#depth = 0;
    const defaults = signature.results.flatMap((type) => this.#constant(type));
    const code = [
      ...this.#spend(),
      0x04,
      0x40,
      ...defaults,
      0x0f,
      0x0b,
      ...this.#statements(),
      ...this.#tail(signature),
    ];
    return [...vector(extra.map((type) => [1, type])), ...code, 0x0b];
  }

  /** Counts the budget down and leaves on the stack whether it is used up. */
  #spend(): Code {
    return [0x23, budget, 0x41, 1, 0x6b, 0x24, budget, 0x23, budget, 0x41, 0, 0x48];
  }

  #tail({ results }: Signature): Code {
    const callee = this.#signatures.findIndex((other) => same(other.results, results));
    if (this.#pick(4) === 3) {
      const call = this.#signatures[callee]!;
      const operands = call.parameters.flatMap((type) => this.#expression(type));
      return this.#pick(2) === 0
        ? [...operands, 0x12, ...this.#index(callee + imported)]
        : [...operands, 0x41, callee, 0x13, ...leb(fixedTypes.length + callee), 0];
    }
    return results.flatMap((type) => this.#expression(type));
  }

  #statements(): Code {
    const code: Code = [];
    for (let left = this.#pick(5); left > 0; left--) code.push(...this.#statement());
    return code;
  }

  #nested(code: () => Code, operands: readonly Type[] = []): Code {
    this.#labels.push(operands);
    this.#depth++;
    const result = code();
    this.#depth--;
    this.#labels.pop();
    return result;
  }

  #statement(): Code {
    if (this.#depth > 5) return [...this.#expression(i32), 0x10, note];
    switch (this.#pick(20)) {
      case 0: {
        const type = this.#pick(2) === 0 ? i32 : i64;
        return [...this.#expression(type), 0x21, ...this.#local(type)];
      }
      case 1:
        return [...this.#expression(i64), 0x24, state];
      case 2:
        return [...this.#address(), ...this.#expression(i64), 0x37, 3, 8];
      case 3:
        return [...this.#address(), ...this.#expression(i32), 0x3a, 0, ...leb(300)];
      case 4:
        return [...this.#expression(i32), 0x04, 0x40, ...this.#nested(() => this.#statements()), 0x0b];
      case 5: {
        const arms = () => this.#nested(() => this.#statements());
        return [...this.#expression(i32), 0x04, 0x40, ...arms(), 0x05, ...arms(), 0x0b];
      }
      case 6:
      case 7:
      case 8:
        return this.#loop();
      case 9:
        return [
          0x02,
          0x40,
          ...this.#nested(() => [...this.#statements(), ...this.#jump(), ...this.#statements()]),
          0x0b,
        ];
      case 10:
        return this.#table();
      case 11:
        return [...this.#address(), ...this.#expression(i32), ...this.#length(), 0xfc, 11, 0];
      case 12:
        return [...this.#address(), ...this.#address(), ...this.#length(), 0xfc, 10, 0, 0];
      case 13:
        return [...this.#address(), 0x41, this.#pick(3), 0x41, this.#pick(3), 0xfc, 8, 0, 0];
      case 14:
        return [...this.#expression(i32), 0x04, 0x40, ...this.#nested(() => this.#leave()), 0x0b];
      case 15:
        return this.#guarded();
      case 16: {
        // A nullable reference may go round a loop of tables.
        const held = this.#pick(this.#signatures.length) + imported;
        return [0xd2, ...this.#index(held), 0x41, ...signedLeb(this.#pick(3)), 0xfc, 15, 0, 0x1a];
      }
      case 17:
        return this.#call();
      default:
        return [...this.#expression(i32), 0x10, note];
    }
  }

  /** A call with its results dropped, by index or through the table. */
  #call(): Code {
    const callee = this.#pick(this.#signatures.length);
    const { parameters, results } = this.#signatures[callee]!;
    const operands = parameters.flatMap((type) => this.#expression(type));
    const call =
      this.#pick(2) === 0
        ? [0x10, ...this.#index(callee + imported)]
        : [...this.#expression(i32), 0x41, 7, 0x71, 0x11, ...leb(fixedTypes.length + callee), 0];
    return [...operands, ...call, ...results.map(() => 0x1a)];
  }

  #loop(): Code {
    if (this.#pick(3) === 2) return this.#loopWithParameters();
    const body = this.#nested(() =>
      this.#nested(() => [...this.#spend(), 0x0d, 1, ...this.#statements(), ...this.#expression(i32), 0x0d, 0]),
    );
    return [0x02, 0x40, 0x03, 0x40, ...body, 0x0b, 0x0b];
  }

  /** Passes an i32 and an i64 round; they come out the other way about. */
  #loopWithParameters(): Code {
    const [narrow, wide] = [this.#local(i32), this.#local(i64)];
    const operands = [...this.#expression(i32), ...this.#expression(i64)];
    const swapped = [0x20, ...wide, 0x20, ...narrow];
    const body = () => [
      0x21,
      ...wide,
      0x21,
      ...narrow,
      ...swapped,
      ...this.#spend(),
      0x0d,
      1,
      0x1a,
      0x1a,
      ...this.#statements(),
      0x20,
      ...narrow,
      0x20,
      ...wide,
      ...this.#expression(i32),
      0x0d,
      0,
      0x1a,
      0x1a,
      ...swapped,
    ];
    const inside = this.#nested(() => this.#nested(body, [i32, i64]), [i64, i32]);
    return [...operands, 0x02, 2, 0x03, 2, ...inside, 0x0b, 0x0b, 0x1a, 0x1a];
  }

  /** A branch that may or may not be taken, to any label. */
  #jump(): Code {
    const target = this.#pick(this.#labels.length);
    const types = this.#labels[this.#labels.length - 1 - target]!;
    const operands = types.flatMap((type) => this.#expression(type));
    // Going on: the operands of a conditional branch stay.
    return [...operands, ...this.#expression(i32), 0x0d, ...leb(target), ...types.map(() => 0x1a)];
  }

  /** Nothing goes on after it. */
  #leave(): Code {
    switch (this.#pick(4)) {
      case 0:
        return [...this.#results.flatMap((type) => this.#expression(type)), 0x0f];
      case 1: {
        const target = this.#pick(this.#labels.length);
        const types = this.#labels[this.#labels.length - 1 - target]!;
        return [...types.flatMap((type) => this.#expression(type)), 0x0c, ...leb(target)];
      }
      case 2:
        return this.#exceptions === "none" ? [0x00] : [...this.#expression(i32), 0x08, tag];
      default:
        return [0x00];
    }
  }

  #table(): Code {
    const arms = this.#pick(3) + 1;
    const begin = Array.from({ length: arms }, () => [0x02, 0x40]).flat();
    for (let arm = 0; arm < arms; arm++) this.#labels.push([]);
    this.#depth++;
    const targets = Array.from({ length: arms }, (_, arm) => arm);
    const code: Code = [
      ...begin,
      ...this.#expression(i32),
      0x0e,
      ...leb(arms - 1),
      ...targets.flatMap((arm) => this.#index(arm)),
    ];
    for (let arm = 0; arm < arms; arm++) {
      code.push(0x0b);
      this.#labels.pop();
      code.push(...this.#statements());
    }
    this.#depth--;
    return code;
  }

  /** Statements under a handler, in the form this module uses. */
  #guarded(): Code {
    if (this.#exceptions === "none") return this.#statements();
    const body = () => this.#statements();
    if (this.#exceptions === "legacy") {
      switch (this.#pick(3)) {
        case 0:
          return [0x06, 0x40, ...this.#nested(body), 0x18, ...leb(this.#pick(this.#labels.length))];
        case 1:
          return [0x06, 0x40, ...this.#nested(body), 0x07, tag, 0x10, note, ...this.#nested(body), 0x0b];
        default:
          return [0x06, 0x40, ...this.#nested(body), 0x07, tag, 0x1a, 0x19, ...this.#nested(body), 0x0b];
      }
    }
    const inside = this.#nested(() => this.#nested(body), [i32]);
    if (this.#pick(2) === 0) return [0x02, i32, 0x1f, 0x40, 1, 0, tag, 0, ...inside, 0x0b, 0x41, 5, 0x0b, 0x10, note];
    // catch_all leads to a block without results.
    const all = this.#nested(() => this.#nested(body));
    return [0x02, 0x40, 0x1f, 0x40, 1, 2, 0, ...all, 0x0b, 0x0b];
  }

  #local(type: Type): Code {
    const candidates = this.#locals.flatMap((local, index) => (local === type ? [index] : []));
    return this.#index(candidates[this.#pick(candidates.length)]!);
  }

  /** Mostly inside the four pages. */
  #address(): Code {
    return [...this.#expression(i32), 0x41, ...signedLeb(0x3ffff), 0x71];
  }

  /** Short mostly; some above the 64 KiB that are moved at once. */
  #length(): Code {
    const mask = [0x3f, 0xfff, 0x1ffff, 0x2ffff][this.#pick(4)]!;
    return [...this.#expression(i32), 0x41, ...signedLeb(mask), 0x71];
  }

  #constant(type: Type): Code {
    const value = this.#pick(2) === 0 ? this.#pick(256) - 128 : (this.#pick(256) - 128) * 40503 * (this.#pick(256) + 1);
    return [type === i32 ? 0x41 : 0x42, ...signedLeb(value)];
  }

  #expression(type: Type): Code {
    if (this.#depth > 7) return this.#constant(type);
    this.#depth++;
    const code = type === i32 ? this.#narrow() : this.#wide();
    this.#depth--;
    return code;
  }

  #narrow(): Code {
    switch (this.#pick(16)) {
      case 0:
      case 1:
        return this.#constant(i32);
      case 2:
      case 3:
        return [0x20, ...this.#local(i32)];
      case 4: // add and its like; the divisions may trap
        return [...this.#expression(i32), ...this.#expression(i32), 0x6a + this.#pick(15)];
      case 5:
        return [...this.#expression(i64), ...this.#expression(i64), 0x51 + this.#pick(10)];
      case 6:
        return [...this.#address(), 0x28, 2, 16];
      case 7:
        return [...this.#expression(i64), 0xa7];
      case 8:
        return [...this.#expression(i32), 0x10, ...this.#index(ask)];
      case 9:
        return [...this.#expression(i32), 0x22, ...this.#local(i32)];
      case 10: {
        const arm = () => this.#nested(() => this.#expression(i32), [i32]);
        return [...this.#expression(i32), 0x04, i32, ...arm(), 0x05, ...arm(), 0x0b];
      }
      case 11: {
        const body = this.#nested(() => [...this.#expression(i32), ...this.#expression(i32), 0x0d, 0], [i32]);
        return [0x02, i32, ...body, 0x0b];
      }
      case 12:
        return [...this.#expression(i32), ...this.#expression(i32), ...this.#expression(i32), 0x1c, 1, i32];
      case 13:
        return [0x3f, 0];
      case 14:
        return [0xfc, 16, 0];
      default: {
        const callee = this.#signatures.findIndex(({ results }) => same(results, [i32]));
        if (callee < 0) return [...this.#expression(i32), 0x45];
        const operands = this.#signatures[callee]!.parameters.flatMap((each) => this.#expression(each));
        return [...operands, 0x10, ...this.#index(callee + imported)];
      }
    }
  }

  #wide(): Code {
    switch (this.#pick(9)) {
      case 0:
        return this.#constant(i64);
      case 1:
        return [0x20, ...this.#local(i64)];
      case 2:
        return [...this.#expression(i64), ...this.#expression(i64), 0x7c + this.#pick(15)];
      case 3:
        return [...this.#expression(i32), 0xac + this.#pick(2)];
      case 4:
        return [...this.#address(), 0x29, 3, 24];
      case 5:
        return [0x23, state];
      case 6: // through a float and back
        return [...this.#expression(i32), 0xb7, ...this.#expression(i32), 0xb7, 0xa3, 0xfc, 6];
      case 7: // through a vector and back
        return [
          ...this.#expression(i64),
          0xfd,
          0x12,
          ...this.#expression(i64),
          0xfd,
          0x1e,
          1,
          0xfd,
          ...leb(0xc1),
          0xfd,
          0x1d,
          this.#pick(2),
        ];
      default: {
        const operands = this.#expression(i32);
        return [...operands, 0x10, ...this.#index(imported)];
      }
    }
  }
}

const same = (a: readonly Type[], b: readonly Type[]) => a.length === b.length && a.every((type, at) => type === b[at]);
