import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { assert as check, integer, nat, property, record, uint8Array } from "../support/fast-check.ts";
import { instrument } from "../../actors/index.ts";
import { isLatticeError } from "../../lattice/index.ts";
import { assemble } from "../support/guests.ts";
import { callable, metered } from "../support/metered.ts";
import { randomModule } from "../support/random-module.ts";
import { bodyOf, type Code, funcref, i32, leb, magic, moduleOf, section, text, vector } from "../support/wasm-bytes.ts";

const name = "hostile.wasm";

/** The rewritten bytes, or the error; anything but a LatticeError fails the test. */
function attempt(bytes: Uint8Array): Uint8Array | string {
  try {
    return instrument(bytes, { name }).bytes;
  } catch (error) {
    assert.ok(isLatticeError(error), String((error as Error).stack));
    return `${error.code}: ${error.message}`;
  }
}

const everything = assemble(`(module
  (type $t (func (param i32) (result i32)))
  (import "env" "note" (func $note (param i32)))
  (import "wapc" "__host_call" (func $host (result i32)))
  (memory (export "memory") 1 4)
  (table $table 4 8 funcref)
  (tag $tag (param i32))
  (global $count (export "count") (mut i32) (i32.const 0))
  (global $held funcref (ref.func $work))
  (elem (i32.const 0) $work)
  (elem $passive func $work $tail)
  (elem declare func $tail)
  (data (i32.const 0) "hello")
  (data $more "more")
  (start $begin)
  (func $begin (export "begin") (global.set $count (i32.const 1)))
  (func $tail (param i32) (result i32) (return_call $work (local.get 0)))
  (func $work (export "work") (param i32) (result i32) (local i64 f64 v128)
    (loop $l (result i32)
      (try (do (if (i32.eqz (local.get 0)) (then (throw $tag (i32.const 3))))) (catch $tag (call $note)))
      (memory.fill (i32.const 10) (i32.const 1) (i32.const 20))
      (memory.copy (i32.const 10) (i32.const 1) (i32.const 20))
      (memory.init $more (i32.const 0) (i32.const 0) (i32.const 4))
      (table.init $table $passive (i32.const 0) (i32.const 0) (i32.const 2))
      (drop (table.grow $table (ref.func $tail) (i32.const 1)))
      (local.set 3 (i8x16.shuffle 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 (v128.const i32x4 1 2 3 4) (local.get 3)))
      (block $b (block $c (br_table $b $c (local.get 0))))
      (drop (call_indirect (type $t) (i32.const 1) (i32.const 0)))
      (br_if $l (i32.const 1) (i32.eqz (call $host))) )))`);

/** An error, or the same verdict of the engine on the output as on the input. */
function sameVerdict(bytes: Uint8Array, what: string): boolean {
  const result = attempt(bytes);
  if (typeof result === "string") return false;
  assert.equal(WebAssembly.validate(result), WebAssembly.validate(bytes), what);
  return true;
}

test("a module cut short at any byte is refused, or is a shorter module that works", () => {
  const actor = readFileSync(new URL("../../actors/examples/echo-c/echo.wasm", import.meta.url));
  for (const whole of [everything, actor]) {
    assert.ok(sameVerdict(whole, "whole"));
    let accepted = 0;
    for (let length = 0; length < whole.length; length++) {
      if (sameVerdict(whole.subarray(0, length), `${length} bytes`)) accepted++;
    }
    // Only the ends of sections can look like an end.
    assert.ok(accepted < 12, String(accepted));
  }
});

test("a module with one byte changed is refused, or judged by the engine as if nothing were added", () => {
  for (let at = 0; at < everything.length; at++) {
    for (const change of [0x01, 0x80, 0xff, 0x10]) {
      const bytes = Uint8Array.from(everything);
      bytes[at] = bytes[at]! ^ change;
      sameVerdict(bytes, `byte ${at} is ${bytes[at]}`);
    }
  }
});

const damage = record({
  tape: uint8Array({ minLength: 20, maxLength: 300, size: "max" }),
  at: nat(10_000),
  replace: uint8Array({ minLength: 0, maxLength: 6 }),
  remove: integer({ min: 0, max: 6 }),
});

test("random modules with bytes inserted, removed or replaced are refused, or judged alike", () => {
  check(
    property(damage, ({ tape, at, replace, remove }) => {
      const whole = randomModule(tape);
      const place = at % whole.length;
      const bytes = Uint8Array.from([...whole.subarray(0, place), ...replace, ...whole.subarray(place + remove)]);
      sameVerdict(bytes, "damaged");
    }),
    { numRuns: 2_000 },
  );
});

test("random bytes are refused", () => {
  check(
    property(uint8Array({ maxLength: 200, size: "max" }), (bytes) => {
      assert.equal(typeof attempt(Uint8Array.from([...magic, 1, ...bytes])), "string");
      assert.equal(typeof attempt(bytes), "string");
    }),
    { numRuns: 500 },
  );
});

const most = [0xff, 0xff, 0xff, 0xff, 0x0f];

test("counts beyond the bytes behind them are refused without making room for them", () => {
  const before = process.memoryUsage().arrayBuffers;
  for (const id of [1, 2, 3, 4, 5, 13, 6, 7, 9, 10, 11]) {
    assert.match(String(attempt(moduleOf([id, most]))), /^MODULE_(MALFORMED|LIMIT)/, `section ${id}`);
    assert.match(String(attempt(moduleOf([id, [...leb(100), ...Array.from({ length: 30 }, () => 0)]]))), /^MODULE_/);
  }
  const one = (code: Code, locals: Code[] = []) =>
    moduleOf([1, vector([[0x60, 0, 0]])], [3, [1, 0]], [10, [1, ...bodyOf(code, locals)]]);
  assert.match(String(attempt(one([0x0e, ...most]))), /MODULE_MALFORMED.*counts more than it holds/);
  assert.match(String(attempt(one([0x1c, ...most]))), /MODULE_MALFORMED.*counts more than it holds/);
  assert.match(String(attempt(one([0x1f, 0x40, ...most]))), /MODULE_MALFORMED.*counts more than it holds/);
  assert.match(String(attempt(one([], [[...most, i32]]))), /MODULE_LIMIT.*locals, more than 50000/);
  assert.match(String(attempt(moduleOf([1, vector([[0x60, ...most]])]))), /MODULE_MALFORMED/);
  assert.ok(process.memoryUsage().arrayBuffers - before < 64 * 2 ** 20);
});

test("sections twice, out of order, unknown or longer than the file are refused", () => {
  const reasons: Record<string, Uint8Array> = {
    "a second type section": moduleOf([1, [0]], [1, [0]]),
    "the type section is out of order": moduleOf([2, [0]], [1, [0]]),
    "the tag section is out of order": moduleOf([6, [0]], [13, [0]]),
    "the code section is out of order": moduleOf([11, [0]], [10, [0]]),
    "the dataCount section is out of order": moduleOf([10, [0]], [12, [0]]),
    "unknown section 15": moduleOf([15, [0]]),
    "a length reaches beyond the end": Uint8Array.from([...magic, 1, 5, 0]),
    "it ends too early": Uint8Array.from([...magic, 1]),
    "the type section goes on after its last item": moduleOf([1, [0, 0]]),
    "a name is not UTF-8": Uint8Array.from([...magic, ...section(0, [2, 0xff, 0xff])]),
    "a number is too long": Uint8Array.from([...magic, 1, 0x80, 0x80, 0x80, 0x80, 0x10]),
    "it declares 1 functions and has bodies for 0": moduleOf([1, vector([[0x60, 0, 0]])], [3, [1, 0]]),
    "it declares 0 functions and has bodies for 1": moduleOf([10, [1, 2, 0, 0x0b]]),
    "unknown version": Uint8Array.from([0, 0x61, 0x73, 0x6d, 2, 0, 0, 0]),
  };
  for (const [why, bytes] of Object.entries(reasons)) {
    const result = String(attempt(bytes));
    assert.ok(result.startsWith("MODULE_MALFORMED") && result.includes(why), `${why}: ${result}`);
  }
  assert.match(String(attempt(Uint8Array.from([0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0]))), /^MODULE_IS_COMPONENT/);
  assert.match(String(attempt(Buffer.from("#!/bin/sh\n"))), /^MODULE_NOT_WASM/);
  assert.match(String(attempt(new Uint8Array(0))), /^MODULE_NOT_WASM/);
});

test("a body over a megabyte, more than 100 000 functions or deep nesting are limits, and said so", () => {
  const types = vector([[0x60, 0, 0]]);
  const one = (body: Code) => moduleOf([1, types], [3, [1, 0]], [10, [1, ...body]]);
  const nops = (count: number) => bodyOf(Array.from({ length: count }, () => 0x01));
  assert.match(String(attempt(one(nops(2 ** 20)))), /MODULE_LIMIT.*function 0 has 1048578 bytes, more than 1048576/);
  assert.ok(WebAssembly.validate(attempt(one(nops(2 ** 20 - 2))) as Uint8Array));

  const nested = (depth: number) => {
    const opened = Array.from({ length: depth }, () => [0x02, 0x40]).flat();
    return one(bodyOf([...opened, ...Array.from({ length: depth }, () => 0x0b)]));
  };
  assert.match(String(attempt(nested(10_001))), /MODULE_LIMIT.*function 0 nests deeper than 10000/);
  assert.ok(WebAssembly.validate(attempt(nested(10_000)) as Uint8Array));

  const functions = (count: number) => {
    const indices = Array.from({ length: count }, () => 0);
    const bodies = Array.from({ length: count }, () => [2, 0, 0x0b]).flat();
    return moduleOf([1, types], [3, [...leb(count), ...indices]], [10, [...leb(count), ...bodies]]);
  };
  assert.match(String(attempt(functions(100_001))), /MODULE_LIMIT.*100001 functions, more than 100000/);
  assert.ok(WebAssembly.validate(attempt(functions(100_000)) as Uint8Array));
});

test("more items in a section than any module needs are a limit, and said so", () => {
  const many = (id: number, count: number, item: Code) =>
    moduleOf([id, [...leb(count), ...Array.from({ length: count }, () => item).flat()]]);
  const type = [0x60, 0, 0];
  assert.ok(WebAssembly.validate(attempt(many(1, 100_000, type)) as Uint8Array));
  assert.match(String(attempt(many(1, 100_001, type))), /MODULE_LIMIT.*100001 types, more than 100000/);
  assert.match(String(attempt(many(6, 100_001, [i32, 0, 0x41, 0, 0x0b]))), /MODULE_LIMIT.*100001 globals/);
  assert.match(String(attempt(many(11, 100_001, [1, 0]))), /MODULE_LIMIT.*100001 data segments/);
  assert.match(String(attempt(many(9, 100_001, [1, 0, 0]))), /MODULE_LIMIT.*100001 element segments/);
  const parameters = Array.from({ length: 1_001 }, () => i32);
  assert.match(
    String(attempt(moduleOf([1, [1, 0x60, ...leb(1_001), ...parameters, 0]]))),
    /MODULE_LIMIT.*1001 value types/,
  );
  const host = `(import "wapc" "__host_call" (func (result i32)))`;
  assert.ok(WebAssembly.validate(attempt(assemble(`(module ${host.repeat(64)})`)) as Uint8Array));
  assert.match(
    String(attempt(assemble(`(module ${host.repeat(65)})`))),
    /MODULE_LIMIT.*__host_call.*more than 64 times/,
  );
});

test("loops nested to the limit are charged, each in its place", () => {
  const depth = 10_000;
  const opened = Array.from({ length: depth }, () => [0x03, 0x40]).flat();
  const closed = Array.from({ length: depth }, () => 0x0b);
  const bytes = moduleOf(
    [1, vector([[0x60, 0, 0]])],
    [3, [1, 0]],
    [7, [1, ...text("go"), 0, 0]],
    [10, [1, ...bodyOf([...opened, ...closed])]],
  );
  let asks = 0;
  const exports = metered(bytes, { fuel: () => ++asks });
  callable(exports, "go")();
  assert.ok(asks > 100);
});

test("a module whose meter would make it many times larger is refused", () => {
  const loops = bodyOf(Array.from({ length: 300_000 }, () => [0x03, 0x40, 0x0b]).flat());
  const many = moduleOf(
    [1, vector([[0x60, 0, 0]])],
    [3, [6, 0, 0, 0, 0, 0, 0]],
    [10, [6, ...loops, ...loops, ...loops, ...loops, ...loops, ...loops]],
  );
  assert.match(String(attempt(many)), /MODULE_LIMIT.*once it is metered/);
});

test("a function with all the locals there may be is charged without one more", () => {
  const withLocals = (count: number) =>
    moduleOf(
      [1, vector([[0x60, 1, i32, 0]])],
      [3, [1, 0]],
      [7, [1, ...text("go"), 0, 0]],
      [10, [1, ...bodyOf([0x03, 0x40, 0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, 0x0b], [[...leb(count), 0x7e]])]],
    );
  for (const count of [49_998, 49_999]) {
    let asks = 0;
    const exports = metered(withLocals(count), { fuel: () => ++asks && 10 });
    callable(exports, "go")(100);
    assert.ok(asks > 20, `${count} locals`);
  }
  assert.match(String(attempt(withLocals(50_000))), /MODULE_LIMIT.*50001 locals/);
});

test("a loop in a function with many locals, and one without calls inside one with calls, keep the fuel right", () => {
  // Two-byte indices for the meter; the inner loop reads it from the local, the outer one from the global.
  const locals = " i32".repeat(300);
  const bytes =
    assemble(`(module (func $leaf (param i32) (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
    (func (export "go") (param i32) (local${locals})
      (loop $outer
        (local.set 200 (i32.const 50))
        (loop $middle
          (local.set 201 (i32.const 3))
          (loop $inner (br_if $inner (local.tee 201 (i32.sub (local.get 201) (i32.const 1)))))
          (br_if $middle (local.tee 200 (i32.sub (local.get 200) (i32.const 1)))))
        (call $leaf (i32.const 40))
        (br_if $outer (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))`);
  const used = (fuel: number, times: number) => {
    let granted = 0;
    const exports = metered(bytes, {
      fuel: () => {
        granted += fuel;
        return fuel;
      },
    });
    callable(exports, "go")(times);
    return granted - (exports["lattice:fuel"] as WebAssembly.Global).value;
  };
  const plenty = used(10_000_000, 100);
  assert.ok(plenty > 100 * (50 * 3 * 4 + 40 * 4), String(plenty));
  assert.ok(Math.abs(used(10_000_000, 200) / plenty - 2) < 0.05);
  // With little fuel what is missing at a charge is forgiven; it stays a small part.
  const little = used(1_000, 100);
  assert.ok(little > plenty * 0.9 && little <= plenty, `${little} of ${plenty}`);
});

test("a table of imported functions alone has nothing to charge", () => {
  const bytes = moduleOf(
    [1, vector([[0x60, 0, 0]])],
    [2, [1, ...text("env"), ...text("f"), 0, 0]],
    [4, [1, funcref, 0, 1]],
    [9, [1, 0, 0x41, 0, 0x0b, 1, 0]],
  );
  assert.ok(WebAssembly.validate(attempt(bytes) as Uint8Array));
});

test("code behind a try_table is paid with the dearest path that may have led to it", () => {
  const work = Array.from({ length: 100 }, () => [0x41, 7, 0x20, 0, 0x6e, 0x1a]).flat();
  const guarded = [0x02, 0x40, 0x1f, 0x40, 1, 2, 0, ...work, 0x08, 0, 0x0b, 0x00, 0x0b];
  const twenty = Array.from({ length: 20 }, () => guarded).flat();
  const bytes = moduleOf(
    [
      1,
      vector([
        [0x60, 1, i32, 0],
        [0x60, 0, 0],
      ]),
    ],
    [3, [2, 0, 0]],
    [13, [1, 0, 1]],
    [7, [1, ...text("go"), 0, 1]],
    [
      10,
      vector([bodyOf(twenty), bodyOf([0x03, 0x40, 0x41, 1, 0x10, 0, 0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, 0x0b])]),
    ],
  );
  const exports = metered(bytes, { fuel: () => 2 ** 30 });
  callable(exports, "go")(100);
  assert.ok(2 ** 30 - (exports["lattice:fuel"] as WebAssembly.Global).value > (100 * 20 * 100 * 10) / 4);
});
