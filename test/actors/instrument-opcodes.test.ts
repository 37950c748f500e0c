import assert from "node:assert/strict";
import { test } from "node:test";
import wabtInit from "wabt";
import {
  acceptedProposals,
  instrument,
  type Opcode,
  opcodes,
  refusedProposals,
  type ShapeName,
} from "../../actors/index.ts";
import { isLatticeError } from "../../lattice/index.ts";
import {
  bodyOf,
  type Code,
  funcref,
  i32,
  leb,
  magic,
  moduleAround,
  moduleOf,
  section,
  text,
  vector,
} from "../support/wasm-bytes.ts";

const wabt = await wabtInit();
const everything = {
  exceptions: true,
  mutable_globals: true,
  sat_float_to_int: true,
  sign_extension: true,
  simd: true,
  multi_value: true,
  tail_call: true,
  bulk_memory: true,
  reference_types: true,
  extended_const: true,
  relaxed_simd: true,
};

const name = "opcode.wasm";
const bytesOf = ({ prefix, code }: Opcode): Code => (prefix === 0 ? [code] : [prefix, ...leb(code)]);

const empty = 0x40;
const bare = (own: Code): Code => own;
const zeros =
  (count: number) =>
  (own: Code): Code => [...own, ...Array.from({ length: count }, () => 0)];
const threeHandlers = [3, 0, 0, 0, 1, 0, 1, 2, 0];
const block = (own: Code): Code => [...own, empty, 0x0b];

/** By shape: the instruction with immediates that fit the module of `moduleAround`, and what it needs around it. */
const instructions: Record<Exclude<ShapeName, "refused" | "prefix">, (own: Code) => Code> = {
  plain: bare,
  leave: bare,
  return: bare,
  local: zeros(1),
  global: zeros(1),
  index: zeros(1),
  memory: zeros(1),
  memoryFill: zeros(1),
  tableGrowOrFill: zeros(1),
  int32: zeros(1),
  int64: zeros(1),
  lane: zeros(1),
  branch: zeros(1),
  branchIf: zeros(1),
  call: zeros(1),
  returnCall: zeros(1),
  refFunc: zeros(1),
  memoryCopy: zeros(2),
  memoryInit: zeros(2),
  tableInitOrCopy: zeros(2),
  memoryArgument: zeros(2),
  callIndirect: zeros(2),
  returnCallIndirect: zeros(2),
  memoryArgumentLane: zeros(3),
  bytes4: zeros(4),
  bytes8: zeros(8),
  // As many ends as there are bytes: whoever misreads it stops in the middle.
  bytes16: (own) => [...own, ...Array.from({ length: 16 }, () => 0x0b)],
  block,
  loop: block,
  if: block,
  try: block,
  // A rethrow needs a handler around it.
  leaveIndex: (own) => (own[0] === 0x09 ? [0x06, empty, 0x19, ...own, 0, 0x0b] : [...own, 0]),
  else: (own) => [0x04, empty, 0x01, ...own, 0x01, 0x0b],
  // Handlers of three kinds; the one that pushes a reference leads to a block that wants it.
  tryTable: (own) => [0x02, 0x69, 0x02, empty, ...own, empty, ...threeHandlers, 0x0b, 0x0b, 0x00, 0x0b, 0x1a],
  catch: (own) => [0x06, empty, ...own, 0, 0x0b],
  catchAll: (own) => [0x06, empty, ...own, 0x0b],
  delegate: (own) => [0x06, empty, ...own, 0],
  end: (own) => [0x02, empty, ...own],
  branchTable: (own) => [...own, 2, 0, 0, 0],
  selectTyped: (own) => [...own, 1, i32],
  refNull: (own) => [...own, funcref],
};

function instruction(opcode: Opcode): Code {
  const { shape } = opcode;
  if (shape === "refused" || shape === "prefix") throw new Error(`${opcode.name} is not accepted`);
  return instructions[shape](bytesOf(opcode));
}

/** After `unreachable` every operand is there, and a second one makes every result fit. */
const around = (code: Code) => moduleAround([0x00, ...code, 0x00]);

function contains(bytes: Uint8Array, part: Code): boolean {
  return Buffer.from(bytes).includes(Buffer.from(part));
}

test("each accepted instruction is passed on, and a module with it stays valid", () => {
  for (const opcode of opcodes) {
    const code = instruction(opcode);
    const plain = around(code);
    assert.ok(WebAssembly.validate(plain), `the test's own module for ${opcode.name} is not valid`);
    const { bytes } = instrument(plain, { name });
    assert.ok(WebAssembly.validate(bytes), `${opcode.name} does not survive`);
    const replaced = ["memoryFill", "memoryCopy", "call", "returnCall", "refFunc", "loop"].includes(opcode.shape);
    assert.ok(replaced || contains(bytes, code), `${opcode.name} is not passed on`);
  }
});

test("each accepted instruction is met by its right name", () => {
  const unread: string[] = [];
  for (const opcode of opcodes) {
    let disassembled: string;
    try {
      const module = wabt.readWasm(around(instruction(opcode)), everything);
      disassembled = module.toText({});
      module.destroy();
    } catch {
      unread.push(opcode.name);
      continue;
    }
    // wabt prints block ends by indentation, and older names of a few SIMD instructions.
    const words = new Set(disassembled.split(/[\s()]+/));
    if (opcode.shape !== "end" && opcode.code !== 0x1c)
      assert.ok(words.has(opcode.name), `${opcode.name}:\n${disassembled}`);
  }
  assert.deepEqual(unread, []);
});

test("instructions that no accepted proposal has are refused by the name of theirs", () => {
  const known = new Set(opcodes.map(({ prefix, code }) => prefix * 65_536 + code));
  const prefixes = [
    { prefix: 0, codes: 256 },
    { prefix: 0xfc, codes: 300 },
    { prefix: 0xfd, codes: 700 },
    { prefix: 0xfb, codes: 256 },
    { prefix: 0xfe, codes: 128 },
  ];
  let refused = 0;
  for (const { prefix, codes } of prefixes) {
    for (let code = 0; code < codes; code++) {
      if (known.has(prefix * 65_536 + code) || (prefix === 0 && code >= 0xfb && code <= 0xfe)) continue;
      const own = prefix === 0 ? [code] : [prefix, ...leb(code)];
      const error = refusal(around([...own, 0, 0, 0]));
      assert.equal(error.code, "MODULE_FEATURE_REFUSED", `${prefix.toString(16)} ${code.toString(16)}`);
      assert.match(
        error.message,
        new RegExp(`uses (${Object.keys(refusedProposals).join("|")}) \\(0x.* in function 0\\)`),
      );
      refused++;
    }
  }
  assert.ok(refused > 900);
});

function refusal(bytes: Uint8Array) {
  try {
    instrument(bytes, { name });
  } catch (error) {
    assert.ok(isLatticeError(error), String(error));
    return error;
  }
  throw assert.fail("it was accepted");
}

const type = (...form: Code) => moduleOf([1, [1, ...form]]);
const memory = (...limits: Code) => moduleOf([5, [1, ...limits]]);
const table = (...limits: Code) => moduleOf([4, [1, ...limits]]);
const global = (...form: Code) => moduleOf([6, [1, ...form]]);
const imports = (...entry: Code) => moduleOf([2, [1, ...text("env"), ...text("thing"), ...entry]]);

/** A module or several for each refused proposal, and where the error says it is. */
const refusals: Record<keyof typeof refusedProposals, readonly [module: Uint8Array, where: string][]> = {
  threads: [
    [memory(3, 1, 2), "memory is shared"],
    [imports(2, 3, 1, 2), "import env.thing is shared"],
    [around([0xfe, 0x10, 2, 0]), "0xfe 0x10 in function 0"],
    [around([0xfe, 0x00, 2, 0]), "0xfe 0x00 in function 0"],
  ],
  gc: [
    [type(0x5f, 0), "type 0"],
    [type(0x5e, i32, 0), "type 0"],
    [type(0x4e, 1, 0x60, 0, 0), "type 0"],
    [type(0x50, 0, 0x60, 0, 0), "type 0"],
    [around([0xfb, 0x1c]), "0xfb 0x1c in function 0"],
    [around([0xd3]), "0xd3 in function 0"],
    [around([0xd0, 0x6e]), "function 0"],
    [moduleAround([], [[1, 0x6b]]), "function 0"],
    [global(0x6e, 0, 0xd0, 0x6e, 0x0b), "global 0"],
    [global(funcref, 0, 0xfb, 0x1c, 0x0b), "global 0"],
  ],
  memory64: [
    [memory(4, 1), "memory"],
    [memory(5, 1, 2), "memory"],
    [imports(2, 4, 1), "import env.thing"],
    [table(funcref, 4, 1), "table 0"],
  ],
  "multi-memory": [
    [moduleOf([5, [2, 0, 1, 0, 1]]), "memory"],
    [moduleOf([2, [1, ...text("env"), ...text("thing"), 2, 0, 1]], [5, [1, 0, 1]]), "memory"],
    [around([0x28, 0x42, 0, 0]), "function 0"],
    [around([0x3f, 1]), "function 0"],
    [around([0x40, 1]), "function 0"],
    [around([0xfc, 10, 0, 1]), "function 0"],
    [around([0xfc, 10, 1, 0]), "function 0"],
    [around([0xfc, 11, 1]), "function 0"],
    [around([0xfc, 8, 0, 1]), "function 0"],
    [around([0xfd, 0, 0x44, 1, 0]), "function 0"],
    [around([0xfd, ...leb(0x54), 0x40, 1, 0, 0]), "function 0"],
    [moduleOf([5, [1, 0, 1]], [11, [1, 2, 1, 0x41, 0, 0x0b, 0]]), "data segment 0"],
  ],
  "function-references": [
    [type(0x60, 1, 0x63, 0, 0), "type 0"],
    [type(0x60, 1, 0x64, 0x70, 0), "type 0"],
    [table(0x40, 0, 0x70, 0, 1, 0xd0, 0x70, 0x0b), "table 0 with an initial value"],
    [table(0x63, 0, 0, 1), "table 0"],
    [around([0x14, 0]), "0x14 in function 0"],
    [around([0x15, 0]), "0x15 in function 0"],
    [around([0xd4]), "0xd4 in function 0"],
    [around([0xd0, 0x00]), "function 0"],
    [around([0x02, 0x64, 0x70, 0x0b]), "function 0"],
    [around([0x1c, 1, 0x63, 0x70]), "function 0"],
  ],
  stringref: [
    [Uint8Array.from([...magic, ...section(14, [0, 0])]), "section 14"],
    [around([0xfb, ...leb(0x82), 0]), "0xfb 0x82 in function 0"],
    [type(0x60, 1, 0x67, 0), "type 0"],
  ],
  "stack-switching": [
    [type(0x5d, 0), "type 0"],
    [around([0xe0, 0]), "0xe0 in function 0"],
  ],
  "wide-arithmetic": [[around([0xfc, 19]), "0xfc 0x13 in function 0"]],
  "half-precision": [[around([0xfd, ...leb(0x120)]), "0xfd 0x120 in function 0"]],
  "memory-control": [[around([0xfc, 18, 0]), "0xfc 0x12 in function 0"]],
  "custom-page-sizes": [[memory(8, 1, 0), "memory"]],
  "shared-everything": [
    [global(i32, 2, 0x41, 0, 0x0b), "global 0"],
    [imports(3, i32, 2), "import env.thing"],
    [table(funcref, 3, 0, 1), "table 0"],
    [type(0x65, 0x60, 0, 0), "type 0"],
  ],
  "unknown-instruction": [[around([0xff]), "0xff in function 0"]],
  "unknown-type": [
    [type(0x60, 1, 0x42, 0), "type 0"],
    [around([0x1c, 1, 0x11]), "function 0"],
  ],
};

test("each refused proposal is named, with the place that uses it", () => {
  for (const [feature, modules] of Object.entries(refusals)) {
    for (const [module, where] of modules) {
      const error = refusal(module);
      assert.equal(error.code, "MODULE_FEATURE_REFUSED", error.message);
      assert.equal(error.message, `${name} uses ${feature} (${where}), which this host does not run`);
    }
  }
});

test("the lists of proposals say what the opcode table does", () => {
  const used = new Set<string>(opcodes.map(({ proposal }) => proposal));
  // These add no instruction of their own.
  for (const silent of ["mutable-globals", "multi-value", "extended-const"]) used.add(silent);
  assert.deepEqual([...used].toSorted(), Object.keys(acceptedProposals).toSorted());
});

test("accepted proposals without instructions of their own work too", () => {
  const types = vector([
    [0x60, 0, 0],
    [0x60, 2, i32, i32, 2, i32, i32],
  ]);
  // A block, a loop and an if, each with two parameters and two results.
  const module = moduleOf(
    [1, types],
    [2, [1, ...text("env"), ...text("thing"), 3, i32, 1]],
    [3, [1, 1]],
    [6, [1, i32, 1, 0x41, 3, 0x41, 4, 0x6a, 0x41, 5, 0x6c, 0x0b]],
    [7, [2, ...text("thing"), 3, 0, ...text("swap"), 0, 0]],
    [10, [1, ...bodyOf([0x20, 0, 0x20, 1, 0x02, 1, 0x03, 1, 0x20, 0, 0x04, 1, 0x05, 0x0b, 0x0b, 0x0b])]],
  );
  assert.ok(WebAssembly.validate(module));
  assert.ok(WebAssembly.validate(instrument(module, { name }).bytes));
});
