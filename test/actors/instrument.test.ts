import assert from "node:assert/strict";
import { test } from "node:test";
import { instrument, KILL, LARGE, PENDING } from "../../actors/index.ts";
import { isLatticeError } from "../../lattice/index.ts";
import { assemble } from "../support/guests.ts";
import { callable, latticeImports, metered, suspendable } from "../support/metered.ts";
import { bodyOf, funcref, i32, leb, moduleOf, section, text, vector } from "../support/wasm-bytes.ts";

const name = "guest.wasm";
const soon = <T>(value: T): Promise<T> => new Promise((resolve) => setImmediate(() => resolve(value)));

function refusal(bytes: Uint8Array, options = {}) {
  try {
    instrument(bytes, { name, ...options });
  } catch (error) {
    assert.ok(isLatticeError(error), String(error));
    return error;
  }
  throw assert.fail("it was accepted");
}

const callHost = `(call $host (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 4) (i32.const 5) (i32.const 6) (i32.const 7)
  (local.get 0))`;
const importHost = `(import "wapc" "__host_call"
  (func $host (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))`;
const hostType = "(type $host_type (func (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))";

test("a host call whose answer is ready does not suspend", () => {
  const bytes = assemble(`(module ${importHost} (func (export "go") (param i32) (result i32) ${callHost}))`);
  const seen: number[][] = [];
  const imports = { wapc: { __host_call: (...args: number[]) => seen.push(args) + 41 } };
  // Outside a coroutine a suspension would be an error.
  assert.equal(callable(metered(bytes, {}, imports), "go")(8), 42);
  assert.deepEqual(seen, [[1, 2, 3, 4, 5, 6, 7, 8]]);
});

test("a host call whose answer is pending suspends until it is there", async () => {
  const bytes = assemble(`(module ${importHost} (func (export "go") (param i32) (result i32) ${callHost}))`);
  const exports = metered(bytes, { wait: () => soon(7) }, { wapc: { __host_call: () => PENDING } });
  assert.equal(await suspendable(exports, "go")(0), 7);
});

test("a pending host call that is killed ends the guest with a trap that it cannot catch", async () => {
  const bytes = assemble(`(module ${importHost}
    (global $caught (export "caught") (mut i32) (i32.const 0))
    (func (export "go") (param i32) (result i32)
      (try (result i32) (do ${callHost}) (catch_all (global.set $caught (i32.const 1)) (i32.const -1)))))`);
  for (const [answer, wait] of [
    [PENDING, KILL],
    [KILL, 0],
  ] as const) {
    const exports = metered(bytes, { wait: () => soon(wait) }, { wapc: { __host_call: () => answer } });
    await assert.rejects(suspendable(exports, "go")(0), WebAssembly.RuntimeError);
    assert.equal((exports.caught as WebAssembly.Global).value, 0);
  }
});

test("every way to a host call leads through its wrapper", async () => {
  const bytes = assemble(`(module ${hostType} ${importHost}
    (export "again" (func $host))
    (table (export "table") 2 funcref)
    (elem (i32.const 0) func $host)
    (elem declare func $host)
    (global $held funcref (ref.func $host))
    (func (export "call") (param i32) (result i32) ${callHost})
    (func (export "tail") (param i32) (result i32) ${callHost.replace("(call", "(return_call")})
    (func (export "table0") (param i32) (result i32)
      ${callHost.replace("call $host", "call_indirect (type $host_type)").replace(/\)$/, " (i32.const 0))")})
    (func (export "reference") (param i32) (result i32)
      (table.set 0 (i32.const 1) (ref.func $host))
      ${callHost.replace("call $host", "return_call_indirect (type $host_type)").replace(/\)$/, " (i32.const 1))")})
    (func (export "global") (param i32) (result i32)
      (table.set 0 (i32.const 1) (global.get $held))
      ${callHost.replace("call $host", "call_indirect (type $host_type)").replace(/\)$/, " (i32.const 1))")}))`);
  const exports = metered(bytes, { wait: () => soon(9) }, { wapc: { __host_call: () => PENDING } });
  for (const way of ["call", "tail", "table0", "reference", "global", "again"]) {
    assert.equal(await suspendable(exports, way)(0), 9, way);
  }
});

test("a suspendable import must return one i32", () => {
  const error = refusal(assemble(`(module (import "wapc" "__host_call" (func (result i64))))`));
  assert.equal(error.code, "MODULE_MALFORMED");
  assert.match(error.message, /import wapc\.__host_call does not return one i32/);
});

test("options choose the imports that may suspend and those that end the guest", async () => {
  const bytes = assemble(`(module
    (import "env" "slow" (func $slow (result i32)))
    (import "env" "quit" (func $quit (param i64)))
    (import "wapc" "__host_call" (func $host (result i32)))
    (func (export "slow") (result i32) (call $slow))
    (func (export "quit") (result i32) (call $quit (i64.const 5)) (i32.const 1))
    (func (export "host") (result i32) (call $host)))`);
  const codes: bigint[] = [];
  const exports = metered(
    bytes,
    { wait: () => soon(4) },
    {
      env: { slow: () => PENDING, quit: (code: bigint) => void codes.push(code) },
      wapc: { __host_call: () => PENDING },
    },
    { suspendable: (_, each) => each === "slow", terminal: (_, each) => each === "quit" },
  );
  assert.equal(await suspendable(exports, "slow")(), 4);
  assert.throws(() => callable(exports, "quit")(), WebAssembly.RuntimeError);
  assert.deepEqual(codes, [5n]);
  assert.equal(callable(exports, "host")(), PENDING);
});

test("proc_exit never returns to the guest, and its code reaches the host", () => {
  const bytes = assemble(`(module
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (func (export "go") (result i32) (call $exit (i32.const 3)) (i32.const 1)))`);
  const codes: number[] = [];
  const exports = metered(
    bytes,
    {},
    { wasi_snapshot_preview1: { proc_exit: (code: number) => void codes.push(code) } },
  );
  assert.throws(() => callable(exports, "go")(), { message: "unreachable" });
  assert.deepEqual(codes, [3]);
});

const sum = `(func $sum (export "__guest_call") (param i32 i32) (result i32)
  (if (i32.eqz (local.get 0)) (then unreachable)) (i32.add (local.get 0) (local.get 1)))`;

test("the serving loop takes calls as they are ready, waits when there is none, and leaves when told", async () => {
  const calls = [
    { operation: 5, payload: 10, late: false },
    { operation: 6, payload: 20, late: true },
    { operation: 7, payload: 0, late: false },
    { operation: 1_000, payload: 2 ** 24, late: false },
  ];
  const log: string[] = [];
  let taken = calls[0]!;
  const take = (): number => {
    const next = calls.shift();
    if (next === undefined) return -1;
    taken = next;
    return next.operation > 127 ? LARGE : (next.operation << 24) | next.payload;
  };
  const ready = () => (calls[0]?.late === true ? 0 : take());
  const exports = metered(assemble(`(module ${sum})`), {
    poll: () => {
      log.push("poll");
      return ready();
    },
    next: () => {
      log.push("next");
      return soon(0).then(take);
    },
    size: (which) => {
      log.push(`size ${which}`);
      return which === 0 ? taken.operation : taken.payload;
    },
    done: (rc) => {
      log.push(`done ${rc}`);
      return ready();
    },
  });
  await suspendable(exports, "lattice:run")();
  const large = ["size 0", "size 1", `done ${1_000 + 2 ** 24}`];
  assert.deepEqual(log, ["poll", "done 15", "next", "done 26", "done 7", ...large]);
});

test("done is told the fuel that a call left over", async () => {
  const bytes = assemble(`(module (func $f (export "__guest_call") (param i32 i32) (result i32)
    (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (i32.const 1)))`);
  const left: number[] = [];
  const lengths = [10 << 24, 100 << 24, -1];
  const exports = metered(bytes, {
    fuel: () => 10_000,
    poll: () => lengths.shift()!,
    done: (_, fuel) => {
      left.push(fuel);
      return lengths.shift()!;
    },
  });
  await suspendable(exports, "lattice:run")();
  const [first, second] = left as [number, number];
  assert.ok(first > 9_900 && first < 10_000, String(first));
  const ratio = (first - second) / (10_000 - first);
  assert.ok(ratio > 8 && ratio < 12, `ten times the work for ${ratio} times the fuel`);
});

test("lattice:run is there only for a __guest_call of the right type", () => {
  const run = (text: string) => instrument(assemble(`(module ${text})`), { name }).run;
  assert.equal(run(sum), true);
  assert.equal(run(""), false);
  assert.equal(run(`(func (export "__guest_call") (param i32) (result i32) (i32.const 1))`), false);
  assert.equal(run(`(func (export "__guest_call") (param i32 i64) (result i32) (i32.const 1))`), false);
});

test("the start function does not run at instantiation, and may suspend when it is run", async () => {
  const bytes = assemble(`(module
    (import "wasi_unstable" "poll_oneoff" (func $poll (result i32)))
    (global $state (export "state") (mut i32) (i32.const 0))
    (start $begin)
    (func $begin (global.set $state (call $poll))))`);
  const exports = metered(bytes, { wait: () => soon(3) }, { wasi_unstable: { poll_oneoff: () => PENDING } });
  const state = exports.state as WebAssembly.Global;
  assert.equal(state.value, 0);
  await suspendable(exports, "lattice:start")();
  assert.equal(state.value, 3);
});

test("a start function that is an import is kept aside too", () => {
  let starts = 0;
  const bytes = assemble(`(module (import "env" "begin" (func $begin)) (start $begin) (func (export "other")))`);
  const exports = metered(bytes, {}, { env: { begin: () => void starts++ } });
  assert.equal(starts, 0);
  callable(exports, "lattice:start")();
  assert.equal(starts, 1);
});

test("functions are renumbered in all eight forms of element segments", () => {
  const body = (value: number) => bodyOf([0x41, value]);
  const offset = [0x41, 0, 0x0b];
  const at = (index: number) => [0x41, index, 0x0b];
  const func = (index: number) => [0xd2, index, 0x0b];
  const call = (table: number) => bodyOf([0x20, 0, 0x11, 1, table]);
  const module = moduleOf(
    [
      1,
      vector([
        [0x60, 1, i32, 1, i32],
        [0x60, 0, 1, i32],
      ]),
    ],
    [2, [1, ...text("env"), ...text("zero"), 0, 1]],
    [3, vector([[1], [1], [1], [0], [0], [1]])],
    [
      4,
      vector([
        [funcref, 0, 12],
        [funcref, 0, 12],
      ]),
    ],
    [
      7,
      vector([
        [...text("first"), 0, 4],
        [...text("second"), 0, 5],
        [...text("spread"), 0, 6],
      ]),
    ],
    [
      9,
      vector([
        [0, ...offset, ...vector([[0], [1]])],
        [1, 0, ...vector([[1], [2]])],
        [2, 1, ...offset, 0, ...vector([[2], [3]])],
        [3, 0, ...vector([[1], [2], [3]])],
        [4, ...at(2), ...vector([func(3), func(0)])],
        [5, funcref, ...vector([func(2), [0xd0, funcref, 0x0b], func(3)])],
        [6, 1, ...at(2), funcref, ...vector([func(1)])],
        [7, funcref, ...vector([func(0)])],
      ]),
    ],
    [
      10,
      vector([
        body(11),
        body(12),
        body(13),
        call(0),
        call(1),
        // Segments 1 and 5 go to table 1 at 5, and at 8.
        bodyOf([0x41, 5, 0x41, 0, 0x41, 2, 0xfc, 12, 1, 1, 0x41, 8, 0x41, 0, 0x41, 3, 0xfc, 12, 5, 1, 0x41, 1]),
      ]),
    ],
  );
  const exports = metered(module, {}, { env: { zero: () => 10 } });
  callable(exports, "spread")();
  const held = (table: string, count: number) =>
    Array.from({ length: count }, (_, index) => {
      try {
        return callable(exports, table)(index);
      } catch {
        return "-";
      }
    });
  assert.deepEqual(held("first", 5), [10, 11, 13, 10, "-"]);
  assert.deepEqual(held("second", 12), [12, 13, 11, "-", "-", 11, 12, "-", 12, "-", 13, "-"]);
});

test("memory grows to the cap and no further", () => {
  const grow = (limits: string, memoryBytes: number, by: number) => {
    const bytes = assemble(`(module (memory ${limits})
      (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))`);
    return callable(metered(bytes, {}, {}, { memoryBytes }), "grow")(by);
  };
  const pages = 65_536;
  assert.equal(grow("2", 10 * pages, 8), 2);
  assert.equal(grow("2", 10 * pages, 9), -1);
  assert.equal(grow("2", 10 * pages + pages - 1, 9), -1, "a part of a page is none");
  assert.equal(grow("2 5", 10 * pages, 4), -1, "its own maximum is lower");
  assert.equal(grow("2 500", 10 * pages, 9), -1);
});

test("a memory or table that starts above its cap is refused", () => {
  const memory = refusal(assemble("(module (memory 11))"), { memoryBytes: 10 * 65_536 });
  assert.equal(memory.code, "MODULE_LIMIT");
  assert.match(memory.message, /memory starts with 11 pages of 64 KiB, more than 10/);
  const table = refusal(assemble("(module (table 0 funcref) (table 101 funcref))"), { tableElements: 100 });
  assert.equal(table.code, "MODULE_LIMIT");
  assert.match(table.message, /table 1 starts with 101 elements, more than 100/);
  const tables = refusal(assemble(`(module ${"(table 0 funcref)".repeat(17)})`));
  assert.match(tables.message, /more than 16 tables/);
});

test("tables grow to the cap and no further", () => {
  const bytes = assemble(`(module (table 10 funcref) (table 0 externref)
    (func (export "grow") (param i32) (result i32) (table.grow 0 (ref.null func) (local.get 0)))
    (func (export "other") (param i32) (result i32) (table.grow 1 (ref.null extern) (local.get 0))))`);
  const exports = metered(bytes, {}, {}, { tableElements: 100 });
  assert.equal(callable(exports, "grow")(90), 10);
  assert.equal(callable(exports, "grow")(1), -1);
  assert.equal(callable(exports, "other")(101), -1);
  assert.equal(callable(exports, "other")(2 ** 31), -1);
});

test("what a memory may be is told, an imported one must be made with the same limits", () => {
  const own = instrument(assemble("(module (memory 2))"), { name, memoryBytes: 4 * 65_536 });
  assert.deepEqual(own.memory, { initial: 2, maximum: 4, imported: undefined });
  const bytes = assemble(`(module (import "env" "memory" (memory 1 9)))`);
  const { memory, bytes: code } = instrument(bytes, { name, memoryBytes: 4 * 65_536 });
  assert.deepEqual(memory, { initial: 1, maximum: 4, imported: { module: "env", name: "memory" } });
  const module = new WebAssembly.Module(code);
  const link = (maximum: number) =>
    new WebAssembly.Instance(module, {
      lattice: latticeImports({}),
      env: { memory: new WebAssembly.Memory({ initial: 1, maximum }) },
    });
  link(4);
  assert.throws(() => link(5), WebAssembly.LinkError);
  assert.equal(instrument(assemble("(module)"), { name }).memory, undefined);
});

test("custom sections are dropped, the names kept aside", () => {
  const plain = assemble(`(module (func $inner (export "f")))`);
  const debug = Uint8Array.from([
    ...plain,
    ...section(0, [...text(".debug_info"), ...Array.from({ length: 5000 }, () => 1)]),
  ]);
  const { bytes, names } = instrument(debug, { name });
  assert.ok(bytes.length < 1000);
  const module = new WebAssembly.Module(bytes);
  assert.deepEqual(WebAssembly.Module.customSections(module, ".debug_info"), []);
  assert.deepEqual(WebAssembly.Module.customSections(module, "name"), []);
  assert.ok(Buffer.from(names!).includes("inner"));
  assert.equal(instrument(moduleOf(), { name }).names, undefined);
});

test("the shift says where a function of a stack trace came from", () => {
  const bytes = assemble(`(module (import "env" "a" (func)) (import "env" "b" (func))
    (func $ok) (func $fails (export "fails") unreachable) (func $after))`);
  const { shift } = instrument(bytes, { name });
  assert.deepEqual(shift, { imported: 2, added: 7, defined: 3 });
  const exports = metered(bytes, {}, { env: { a() {}, b() {} } });
  assert.throws(
    () => callable(exports, "fails")(),
    (error: Error) => error.stack!.includes(`wasm-function[${3 + shift.added}]`),
  );
});

test("a guest can neither import from lattice nor take the names of the host's exports", () => {
  const importing = refusal(assemble(`(module (import "lattice" "fuel" (func (result i32))))`));
  assert.equal(importing.code, "MODULE_IMPORT_UNKNOWN");
  assert.match(importing.message, /lattice\.fuel/);
  for (const taken of ["lattice:run", "lattice:fuel", "lattice:start"]) {
    assert.equal(refusal(assemble(`(module (func (export "${taken}")))`)).code, "MODULE_MALFORMED");
  }
});

test("indices one past the guest's own are errors, not the host's functions, globals or locals", () => {
  const one = (code: number[]) =>
    moduleOf(
      [1, vector([[0x60, 0, 0]])],
      [3, [1, 0]],
      [6, [1, i32, 1, 0x41, 0, 0x0b]],
      [10, [1, ...bodyOf(code, [[1, i32]])]],
    );
  const beyond: Record<string, Uint8Array> = {
    "there is no function 1": one([0x10, 1]),
    "there is no function 2": one([0x12, 2]),
    "there is no function 8": one([0xd2, 8, 0x1a]),
    "there is no global 1": one([0x23, 1, 0x1a]),
    "there is no local 1": one([0x20, 1, 0x1a]),
    "there is no local 200": one([0x20, ...leb(200), 0x1a]),
    "there is no type 1": one([0x41, 0, 0x11, 1, 0]),
    "a block has no type": one([0x02, 1, 0x0b]),
    "a branch has no target": one([0x0c, 1]),
  };
  for (const [why, module] of Object.entries(beyond)) {
    const error = refusal(module);
    assert.equal(error.code, "MODULE_MALFORMED");
    assert.ok(error.message.includes(`${why} in function 0 at byte`), error.message);
  }
  const outside: Record<string, Uint8Array> = {
    "there is no function 0": moduleOf([7, [1, ...text("f"), 0, 0]]),
    "there is no global 0": moduleOf([7, [1, ...text("g"), 3, 0]]),
    "there is no type 0": moduleOf([3, [1, 0]]),
  };
  for (const [why, module] of Object.entries(outside)) assert.ok(refusal(module).message.includes(why));
});

test("an empty module becomes a valid one", () => {
  const { bytes, run, start } = instrument(moduleOf(), { name });
  assert.ok(WebAssembly.validate(bytes));
  assert.deepEqual([run, start], [false, false]);
});

test("bytes that are a view into a larger buffer are read where they are", () => {
  const plain = assemble(`(module ${sum})`);
  const larger = Buffer.concat([Buffer.alloc(13, 1), plain, Buffer.alloc(9, 2)]);
  const { bytes } = instrument(larger.subarray(13, 13 + plain.length), { name });
  assert.deepEqual(bytes, instrument(plain, { name }).bytes);
});
