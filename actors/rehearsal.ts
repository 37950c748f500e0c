import { KeyPair } from "../lattice/index.ts";
import * as op from "./instrument/assembler.ts";
import { ActorModule } from "./module.ts";
import { prepare } from "./prepared.ts";
import { concatBytes, encodeU32 } from "./sections.ts";
import { signModule } from "./signing.ts";

/** Functions of the module: so many that numbers take two bytes. */
const functions = 160;
/** One in so many has a body worth the name, of some 150 bytes, since a round should be short. */
const fullEvery = 6;
const rounds = 40;

/**
 * Loads a made-up actor again and again, so that the code that verifies, rewrites and compiles modules
 * is compiled itself before a real one comes: the first module of 2 MB then takes a third of the time.
 * One round a call, a few milliseconds at first; answers false when there is nothing left to do.
 */
export function rehearsal(): () => boolean {
  const account = KeyPair.generate("account");
  const signed = signModule(madeUp(), { issuer: account, module: KeyPair.generate("module"), name: "rehearsal" });
  let round = 0;
  return () => {
    if (round === rounds) return false;
    // Other bytes each time, since V8 knows again what it has compiled.
    prepare(ActorModule.fromBytes(signed, { name: "rehearsal" }), { memoryBytes: (64 + round) * 2 ** 16 });
    return ++round < rounds;
  };
}

const i32 = 0x7f;

/** A module that imports waPC and whose code has the turns that compiled Rust takes. */
function madeUp(): Uint8Array {
  const types = [functionType(2, i32), functionType(8, i32), [0x60, 2, i32, i32, 0]];
  const imports = [
    [...text("wasmbus"), ...text("__guest_request"), 0, 2],
    [...text("wasmbus"), ...text("__guest_response"), 0, 2],
    [...text("wasmbus"), ...text("__host_call"), 0, 1],
  ];
  const own = Array.from({ length: functions }, (_, index) => index);
  const exported = [
    [...text("memory"), 2, 0],
    [...text("__guest_call"), 0, 3],
  ];
  const words = Array.from({ length: 64 }, (_, index) => `src/lib${index}.rs: wasmcloud:keyvalue, capacity overflow `);
  const data = Buffer.from(words.join(""));
  return concatBytes([
    Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0),
    section(1, types),
    section(2, imports),
    section(
      3,
      own.map(() => [0]),
    ),
    section(4, [[0x70, 0, 4]]),
    section(5, [[0, 2]]),
    section(6, [[i32, 1, ...op.constant(1_048_576), ...op.end]]),
    section(7, exported),
    section(9, [[0, ...op.constant(0), ...op.end, 4, 3, 4, 5, 6]]),
    section(
      10,
      own.map((index) => sized([...(index % fullEvery === 0 ? body(index / fullEvery) : op.body(0, op.get(0)))])),
    ),
    section(11, [[0, ...op.constant(64), ...op.end, ...op.unsigned(data.length), ...data]]),
  ]);
}

/** The code of function `index`: of the pieces that it can have, some. Two parameters, all i32. */
function body(index: number): Uint8Array {
  const load = (at: number): op.Code => [0x28, 2, ...op.unsigned(at)];
  const store = (at: number): op.Code => [0x36, 2, ...op.unsigned(at)];
  const locals = index % 16 === 0 ? 150 : 4;
  const last = locals + 1;
  const next = 3 + ((index * 7 + 1) % functions);
  const drop: op.Code = [0x1a];
  const call = [...op.get(5), ...op.get(3), ...op.call(next)];
  const blockOf: op.Code = [0x02, i32];
  const pieces: op.Code[] = [
    [...op.get(2), ...op.get(0), ...store(4), ...op.get(2), ...op.get(1), ...store(200 + index)],
    // A loop that calls, one inside it that does not.
    op.code(
      [...op.block, ...op.loop, ...op.get(0), ...load(8), ...op.tee(3), ...op.isZero, ...op.branchIf(1)],
      [...op.loop, ...op.get(4), ...op.constant(-index), ...op.add, ...op.tee(4), ...op.branchIf(0), ...op.end],
      [...call, ...op.set(4), ...op.branch(0), ...op.end, ...op.unreachable, ...op.end],
    ),
    [...op.loop, ...op.get(last), ...op.constant(1), ...op.subtract, ...op.tee(last), ...op.branchIf(0), ...op.end],
    [
      ...op.get(3),
      ...op.get(4),
      ...op.less,
      ...op.when,
      ...call,
      ...op.set(4),
      ...op.otherwise,
      ...op.get(4),
      ...op.leave,
      ...op.end,
    ],
    [...op.get(3), ...op.when, ...call, ...drop, ...op.unreachable, ...op.end],
    // A switch, a call through the table, 64 bits, bytes moved.
    op.code(
      [...op.block, ...op.block, ...op.block, ...op.get(4), 0x0e, 3, 0, 1, 2, 1, ...op.end],
      [...op.get(0), ...op.get(1), ...op.constant(index & 3), 0x11, 0, 0, ...op.set(4), ...op.branch(1), ...op.end],
      [...op.get(1), ...op.get(0), ...op.call(0), ...op.end],
    ),
    [...op.get(2), 0x42, ...op.signed(index * 1_000_000), 0x37, 3, 16, ...op.get(2), 0x29, 3, 16, 0x50, ...op.set(5)],
    [...op.get(2), ...op.get(0), ...op.constant(80), ...op.memoryCopy],
    [...op.get(2), ...op.constant(0), ...op.get(4), ...op.memoryFill, ...op.get(3), ...op.get(2), ...op.call(1)],
    [...op.get(4), ...op.get(5), ...op.get(1), ...op.select, 0xc0, ...op.set(4)],
    [...blockOf, ...op.get(3), ...op.get(4), ...op.branchIf(0), ...op.get(3), ...op.and, ...op.end, ...op.set(3)],
    [...Array.from({ length: 8 }, () => op.get(4)).flat(), ...op.call(2), ...op.set(4)],
    [0x44, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0xfc, 2, ...op.set(4), 0x43, 0, 0, 0x80, 0x3f, 0xa8, ...op.set(5)],
  ];
  return op.body(
    locals,
    [...op.getGlobal(0), ...op.constant(48), ...op.subtract, ...op.tee(2), ...op.setGlobal(0)],
    ...pieces.filter((_, piece) => ((index * 2_654_435_761) >>> piece) & 1),
    [...op.get(2), ...op.constant(48), ...op.add, ...op.setGlobal(0), ...op.get(4)],
  );
}

const functionType = (parameters: number, type: number): number[] => [
  0x60,
  parameters,
  ...Array.from({ length: parameters }, () => type),
  1,
  type,
];

const text = (value: string): number[] => sized([...Buffer.from(value)]);

function sized(bytes: readonly number[]): number[] {
  return [...op.unsigned(bytes.length), ...bytes];
}

function section(id: number, items: readonly (readonly number[])[]): Uint8Array {
  const content = Uint8Array.from([...op.unsigned(items.length), ...items.flat()]);
  return concatBytes([Uint8Array.of(id), encodeU32(content.length), content]);
}
