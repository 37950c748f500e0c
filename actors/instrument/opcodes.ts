import type { AcceptedProposal, RefusedProposal } from "./proposals.ts";

/**
 * How the bytes after an opcode are read. The walker over function bodies switches on these
 * numbers, so they are small and dense; 0 is an opcode that is not accepted.
 */
export const Shape = {
  refused: 0,
  plain: 1,
  local: 2,
  global: 3,
  /** One index that stays as it is: a table, tag, data or element segment. */
  index: 4,
  int32: 5,
  int64: 6,
  bytes4: 7,
  bytes8: 8,
  bytes16: 9,
  lane: 10,
  memoryArgument: 11,
  memoryArgumentLane: 12,
  /** The memory's index, which must be 0. */
  memory: 13,
  memoryFill: 14,
  memoryCopy: 15,
  memoryInit: 16,
  /** As index, one or two, with a count of elements on top of the stack that is charged. */
  tableGrowOrFill: 17,
  tableInitOrCopy: 18,
  block: 19,
  loop: 20,
  if: 21,
  else: 22,
  try: 23,
  tryTable: 24,
  catch: 25,
  catchAll: 26,
  delegate: 27,
  end: 28,
  branch: 29,
  branchIf: 30,
  branchTable: 31,
  /** Control does not go on after it: unreachable, throw_ref. */
  leave: 32,
  /** As leave, with one index: throw, rethrow. */
  leaveIndex: 33,
  call: 34,
  callIndirect: 35,
  returnCall: 36,
  returnCallIndirect: 37,
  selectTyped: 38,
  refNull: 39,
  refFunc: 40,
  prefix: 41,
  return: 42,
} as const;

export type ShapeName = keyof typeof Shape;

export interface Opcode {
  /** As the text format spells it. */
  readonly name: string;
  /** 0xfc or 0xfd when the opcode has two parts, else 0. */
  readonly prefix: number;
  readonly code: number;
  readonly shape: ShapeName;
  readonly proposal: AcceptedProposal;
  /** Fuel for running it once. One is about one machine instruction; a charge by length comes on top. */
  readonly cost: number;
}

const rows: Opcode[] = [];

/** Adds the blank-separated names from `code` on; `-` leaves a code out. */
function add(
  proposal: AcceptedProposal,
  prefix: number,
  code: number,
  names: string,
  shape: ShapeName = "plain",
  cost = 1,
): void {
  let next = code;
  for (const name of names.split(/\s+/)) {
    if (name !== "-") rows.push({ name, prefix, code: next, shape, proposal, cost });
    next++;
  }
}

const each = (type: string, operations: string) =>
  operations.replaceAll(/(\S+)/g, (name) => (name === "-" ? name : `${type}.${name}`));

// --- control ---------------------------------------------------------------------------------
add("mvp", 0, 0x00, "unreachable", "leave");
add("mvp", 0, 0x01, "nop", "plain", 0);
add("mvp", 0, 0x02, "block", "block", 0);
add("mvp", 0, 0x03, "loop", "loop", 0);
add("mvp", 0, 0x04, "if", "if");
add("mvp", 0, 0x05, "else", "else", 0);
add("legacy-exceptions", 0, 0x06, "try", "try");
add("legacy-exceptions", 0, 0x07, "catch", "catch");
add("legacy-exceptions", 0, 0x08, "throw", "leaveIndex", 500);
add("legacy-exceptions", 0, 0x09, "rethrow", "leaveIndex", 500);
add("exceptions", 0, 0x0a, "throw_ref", "leave", 500);
add("mvp", 0, 0x0b, "end", "end", 0);
add("mvp", 0, 0x0c, "br", "branch");
add("mvp", 0, 0x0d, "br_if", "branchIf");
add("mvp", 0, 0x0e, "br_table", "branchTable", 2);
add("mvp", 0, 0x0f, "return", "return");
add("mvp", 0, 0x10, "call", "call", 5);
add("mvp", 0, 0x11, "call_indirect", "callIndirect", 10);
add("tail-calls", 0, 0x12, "return_call", "returnCall", 5);
add("tail-calls", 0, 0x13, "return_call_indirect", "returnCallIndirect", 10);
add("legacy-exceptions", 0, 0x18, "delegate", "delegate", 0);
add("legacy-exceptions", 0, 0x19, "catch_all", "catchAll");
add("mvp", 0, 0x1a, "drop", "plain", 0);
add("mvp", 0, 0x1b, "select");
add("reference-types", 0, 0x1c, "select", "selectTyped");
add("exceptions", 0, 0x1f, "try_table", "tryTable");

// --- variables, tables, memory ------------------------------------------------------------------
add("mvp", 0, 0x20, "local.get local.set local.tee", "local");
add("mvp", 0, 0x23, "global.get global.set", "global");
add("reference-types", 0, 0x25, "table.get table.set", "index", 3);
const loads = `${each("i32", "load")} ${each("i64", "load")} ${each("f32", "load")} ${each("f64", "load")}
  ${each("i32", "load8_s load8_u load16_s load16_u")} ${each("i64", "load8_s load8_u load16_s load16_u load32_s load32_u")}`;
const stores = `i32.store i64.store f32.store f64.store ${each("i32", "store8 store16")} ${each("i64", "store8 store16 store32")}`;
add("mvp", 0, 0x28, `${loads} ${stores}`, "memoryArgument");
add("mvp", 0, 0x3f, "memory.size", "memory");
add("mvp", 0, 0x40, "memory.grow", "memory", 500);

// --- numbers --------------------------------------------------------------------------------------
add("mvp", 0, 0x41, "i32.const", "int32");
add("mvp", 0, 0x42, "i64.const", "int64");
add("mvp", 0, 0x43, "f32.const", "bytes4");
add("mvp", 0, 0x44, "f64.const", "bytes8");
const integerTests = "eqz eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u";
const floatTests = "eq ne lt gt le ge";
add("mvp", 0, 0x45, `${each("i32", integerTests)} ${each("i64", integerTests)}`);
add("mvp", 0, 0x5b, `${each("f32", floatTests)} ${each("f64", floatTests)}`);
const integerSums = "clz ctz popcnt add sub mul - - - - and or xor shl shr_s shr_u rotl rotr";
const divisions = "div_s div_u rem_s rem_u";
const floatSums = "abs neg ceil floor trunc nearest sqrt add sub mul div min max copysign";
add("mvp", 0, 0x67, each("i32", integerSums));
add("mvp", 0, 0x6d, each("i32", divisions), "plain", 8);
add("mvp", 0, 0x79, each("i64", integerSums));
add("mvp", 0, 0x7f, each("i64", divisions), "plain", 10);
add("mvp", 0, 0x8b, `${each("f32", floatSums)} ${each("f64", floatSums)}`, "plain", 2);
add(
  "mvp",
  0,
  0xa7,
  `${each("i32", "wrap_i64 trunc_f32_s trunc_f32_u trunc_f64_s trunc_f64_u")}
   ${each("i64", "extend_i32_s extend_i32_u trunc_f32_s trunc_f32_u trunc_f64_s trunc_f64_u")}
   ${each("f32", "convert_i32_s convert_i32_u convert_i64_s convert_i64_u demote_f64")}
   ${each("f64", "convert_i32_s convert_i32_u convert_i64_s convert_i64_u promote_f32")}
   i32.reinterpret_f32 i64.reinterpret_f64 f32.reinterpret_i32 f64.reinterpret_i64`,
);
add("sign-extension", 0, 0xc0, "i32.extend8_s i32.extend16_s i64.extend8_s i64.extend16_s i64.extend32_s");
add("reference-types", 0, 0xd0, "ref.null", "refNull");
add("reference-types", 0, 0xd1, "ref.is_null");
add("reference-types", 0, 0xd2, "ref.func", "refFunc", 3);

// --- 0xfc --------------------------------------------------------------------------------------------
const truncations = "trunc_sat_f32_s trunc_sat_f32_u trunc_sat_f64_s trunc_sat_f64_u";
add("saturating-float-to-int", 0xfc, 0, `${each("i32", truncations)} ${each("i64", truncations)}`, "plain", 3);
add("bulk-memory", 0xfc, 8, "memory.init", "memoryInit", 30);
add("bulk-memory", 0xfc, 9, "data.drop", "index", 5);
add("bulk-memory", 0xfc, 10, "memory.copy", "memoryCopy", 10);
add("bulk-memory", 0xfc, 11, "memory.fill", "memoryFill", 10);
add("bulk-memory", 0xfc, 12, "table.init", "tableInitOrCopy", 50);
add("bulk-memory", 0xfc, 13, "elem.drop", "index", 5);
add("bulk-memory", 0xfc, 14, "table.copy", "tableInitOrCopy", 50);
add("reference-types", 0xfc, 15, "table.grow", "tableGrowOrFill", 200);
add("reference-types", 0xfc, 16, "table.size", "index");
add("reference-types", 0xfc, 17, "table.fill", "tableGrowOrFill", 50);

// --- 0xfd: SIMD ------------------------------------------------------------------------------------------
const v = (code: number, names: string, shape: ShapeName = "plain") => add("simd", 0xfd, code, names, shape);
v(0x00, each("v128", "load load8x8_s load8x8_u load16x4_s load16x4_u load32x2_s load32x2_u"), "memoryArgument");
v(0x07, each("v128", "load8_splat load16_splat load32_splat load64_splat store"), "memoryArgument");
v(0x0c, "v128.const i8x16.shuffle", "bytes16");
v(0x0e, "i8x16.swizzle i8x16.splat i16x8.splat i32x4.splat i64x2.splat f32x4.splat f64x2.splat");
v(0x15, each("i8x16", "extract_lane_s extract_lane_u replace_lane"), "lane");
v(0x18, each("i16x8", "extract_lane_s extract_lane_u replace_lane"), "lane");
v(0x1b, ["i32x4", "i64x2", "f32x4", "f64x2"].map((type) => each(type, "extract_lane replace_lane")).join(" "), "lane");
v(0x23, ["i8x16", "i16x8", "i32x4"].map((type) => each(type, integerTests.slice(4))).join(" "));
v(0x41, `${each("f32x4", floatTests)} ${each("f64x2", floatTests)}`);
v(0x4d, each("v128", "not and andnot or xor bitselect any_true"));
v(
  0x54,
  each("v128", "load8_lane load16_lane load32_lane load64_lane store8_lane store16_lane store32_lane store64_lane"),
  "memoryArgumentLane",
);
v(0x5c, "v128.load32_zero v128.load64_zero", "memoryArgument");
v(0x5e, "f32x4.demote_f64x2_zero f64x2.promote_low_f32x4");
v(0x60, each("i8x16", "abs neg popcnt all_true bitmask narrow_i16x8_s narrow_i16x8_u"));
v(0x67, each("f32x4", "ceil floor trunc nearest"));
v(0x6b, each("i8x16", "shl shr_s shr_u add add_sat_s add_sat_u sub sub_sat_s sub_sat_u"));
v(0x74, "f64x2.ceil f64x2.floor i8x16.min_s i8x16.min_u i8x16.max_s i8x16.max_u f64x2.trunc i8x16.avgr_u");
v(0x7c, each("i16x8", "extadd_pairwise_i8x16_s extadd_pairwise_i8x16_u"));
v(0x7e, each("i32x4", "extadd_pairwise_i16x8_s extadd_pairwise_i16x8_u"));
const narrowing = (from: string) => `narrow_${from}_s narrow_${from}_u`;
const extending = (from: string) =>
  `extend_low_${from}_s extend_high_${from}_s extend_low_${from}_u extend_high_${from}_u`;
const multiplying = (from: string) => extending(from).replaceAll("extend", "extmul");
v(0x80, each("i16x8", `abs neg q15mulr_sat_s all_true bitmask ${narrowing("i32x4")} ${extending("i8x16")}`));
v(0x8b, each("i16x8", "shl shr_s shr_u add add_sat_s add_sat_u sub sub_sat_s sub_sat_u"));
v(0x94, "f64x2.nearest");
v(0x95, each("i16x8", `mul min_s min_u max_s max_u - avgr_u ${multiplying("i8x16")}`));
v(0xa0, each("i32x4", `abs neg - all_true bitmask - - ${extending("i16x8")}`));
v(
  0xab,
  each("i32x4", `shl shr_s shr_u add - - sub - - - mul min_s min_u max_s max_u dot_i16x8_s - ${multiplying("i16x8")}`),
);
v(0xc0, each("i64x2", `abs neg - all_true bitmask - - ${extending("i32x4")}`));
v(0xcb, each("i64x2", `shl shr_s shr_u add - - sub - - - mul eq ne lt_s gt_s le_s ge_s ${multiplying("i32x4")}`));
const floatLanes = "abs neg - sqrt add sub mul div min max pmin pmax";
v(0xe0, `${each("f32x4", floatLanes)} ${each("f64x2", floatLanes)}`);
v(0xf8, "i32x4.trunc_sat_f32x4_s i32x4.trunc_sat_f32x4_u f32x4.convert_i32x4_s f32x4.convert_i32x4_u");
v(0xfc, "i32x4.trunc_sat_f64x2_s_zero i32x4.trunc_sat_f64x2_u_zero");
v(0xfe, "f64x2.convert_low_i32x4_s f64x2.convert_low_i32x4_u");
add(
  "relaxed-simd",
  0xfd,
  0x100,
  `i8x16.relaxed_swizzle
   ${each("i32x4", "relaxed_trunc_f32x4_s relaxed_trunc_f32x4_u relaxed_trunc_f64x2_s_zero relaxed_trunc_f64x2_u_zero")}
   f32x4.relaxed_madd f32x4.relaxed_nmadd f64x2.relaxed_madd f64x2.relaxed_nmadd
   i8x16.relaxed_laneselect i16x8.relaxed_laneselect i32x4.relaxed_laneselect i64x2.relaxed_laneselect
   f32x4.relaxed_min f32x4.relaxed_max f64x2.relaxed_min f64x2.relaxed_max
   i16x8.relaxed_q15mulr_s i16x8.relaxed_dot_i8x16_i7x16_s i32x4.relaxed_dot_i8x16_i7x16_add_s`,
);

/** Every accepted instruction. */
export const opcodes: readonly Opcode[] = rows;

/** The shape of each one-byte opcode, and of the codes after 0xfc and 0xfd. */
export const shapes = new Uint8Array(256);
export const shapesFc = new Uint8Array(256);
export const shapesFd = new Uint8Array(512);
/** Their fuel, in the same order. SIMD costs 1 throughout. */
export const costs = new Uint16Array(256);
export const costsFc = new Uint16Array(256);

for (const row of rows) {
  const table = row.prefix === 0xfc ? shapesFc : row.prefix === 0xfd ? shapesFd : shapes;
  table[row.code] = Shape[row.shape];
  if (row.prefix !== 0xfd) (row.prefix === 0xfc ? costsFc : costs)[row.code] = row.cost;
}
shapes[0xfc] = Shape.prefix;
shapes[0xfd] = Shape.prefix;

/** The proposal that a refused opcode belongs to; `code` is the part after a prefix. */
export function refusedOpcode(opcode: number, code: number): RefusedProposal {
  if (opcode === 0xfe) return "threads";
  if (opcode === 0xfb) return code >= 0x80 ? "stringref" : "gc";
  if (opcode === 0xd3) return "gc";
  if (opcode === 0x14 || opcode === 0x15 || (opcode >= 0xd4 && opcode <= 0xd6)) return "function-references";
  if (opcode >= 0xe0 && opcode <= 0xe6) return "stack-switching";
  if (opcode === 0xfc && code === 18) return "memory-control";
  if (opcode === 0xfc && code >= 19 && code <= 22) return "wide-arithmetic";
  if (opcode === 0xfd && code >= 0x120 && code <= 0x14f) return "half-precision";
  return "unknown-instruction";
}
