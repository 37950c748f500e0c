import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import wabtInit from "wabt";
import { instrument } from "../../actors/index.ts";
import { assemble } from "../support/guests.ts";
import { callable, instantiate, metered, suspendable } from "../support/metered.ts";

const wabt = await wabtInit();

/** Runs `go` and ends it when it asks for fuel the `most`th time; says how often it asked. */
function asksOf(text: string, most = 50, fuel = 1_000, ...parameters: number[]): { asks: number; ended: boolean } {
  let asks = 0;
  const exports = metered(assemble(`(module ${text})`), { fuel: () => (++asks >= most ? -1 : fuel) });
  try {
    callable(exports, "go")(...parameters);
    return { asks, ended: false };
  } catch (error) {
    assert.equal((error as Error).message, "unreachable");
    return { asks, ended: true };
  }
}

/** Guests that never end, each by another way to go in a circle. */
const endless: Record<string, string> = {
  "a loop": `(func (export "go") (loop (br 0)))`,
  "a loop in a loop that is left at once": `(func (export "go") (loop (block (loop (br_if 1 (i32.const 1)) (br 0))) (br 0)))`,
  "a loop through br_table": `(func (export "go") (loop (br_table 0 0 (i32.const 0))))`,
  "a loop with parameters": `(func (export "go")
    (i32.const 0) (loop (param i32) (result i32) (i32.const 1) (i32.add) (br 0)) (drop))`,
  "a loop whose iterations end in an exception": `(tag $t)
    (func (export "go") (loop (try (do (throw $t)) (catch $t (br 1))) (br 0)))`,
  "a loop in a handler": `(tag $t) (func (export "go") (try (do (throw $t)) (catch $t (loop (br 0)))))`,
  "a loop in code behind a return": `(func (export "go") (call $again)) (func $again (loop (br 0)) (return))`,
  "a function that calls itself in its tail": `(func $f (export "go") (return_call $f))`,
  "two functions that call each other in their tails": `
    (func $f (export "go") (return_call $g)) (func $g (return_call $f))`,
  "five functions in a circle": `(func $a (export "go") (return_call $b)) (func $b (return_call $c))
    (func $c (return_call $d)) (func $d (return_call $e)) (func $e (return_call $b))`,
  "a tail call through a table": `(type $t (func)) (table 1 funcref) (elem (i32.const 0) $f)
    (func $f (export "go") (return_call_indirect (type $t) (i32.const 0)))`,
  "two tables that lead to each other": `(type $t (func)) (table $one 1 funcref) (table $two 1 funcref)
    (elem (table $one) (i32.const 0) func $f) (elem (table $two) (i32.const 0) func $g)
    (func (export "go") (call $f))
    (func $f (return_call_indirect $two (type $t) (i32.const 0)))
    (func $g (return_call_indirect $one (type $t) (i32.const 0)))`,
  "a function put into a table while it runs": `(type $t (func)) (table 1 funcref) (elem declare func $f)
    (func (export "go") (table.set (i32.const 0) (ref.func $f)) (call $f))
    (func $f (call $g)) (func $g (return_call_indirect (type $t) (i32.const 0)))`,
  "a function that a table leads back to, entered from outside": `(type $t (func)) (table 1 funcref)
    (elem (i32.const 0) $f)
    (func (export "go") (call_indirect (type $t) (i32.const 0)))
    (func $f (return_call_indirect (type $t) (i32.const 0)))`,
  "an exported function that finds its way into a table": `(type $t (func)) (table 1 funcref)
    (func (export "go") (call $fill) (call_indirect (type $t) (i32.const 0)))
    (func $fill (table.set (i32.const 0) (ref.func $f)))
    (func $f (export "f") (return_call_indirect (type $t) (i32.const 0)))`,
  "a function held by a global": `(type $t (func)) (table 1 funcref) (global $g funcref (ref.func $f))
    (func (export "go") (table.set (i32.const 0) (global.get $g)) (call $f))
    (func $f (return_call_indirect (type $t) (i32.const 0)))`,
  "a function that recurses until an exception unwinds it, again and again": `(tag $t)
    (func $deep (param i32) (if (local.get 0) (then (call $deep (i32.sub (local.get 0) (i32.const 1)))) (else (throw $t))))
    (func (export "go") (try (do (call $deep (i32.const 50))) (catch $t)) (return_call $go2))
    (func $go2 (try (do (call $deep (i32.const 50))) (catch $t)) (return_call $go2))`,
};

for (const [what, text] of Object.entries(endless)) {
  test(`${what} asks for fuel until it is ended`, () => {
    assert.deepEqual(asksOf(text), { asks: 50, ended: true });
  });
}

test("endless recursion ends by the stack, having asked for fuel on the way", () => {
  let asks = 0;
  const exports = metered(assemble(`(module (func $f (export "go") (call $f) (call $f)))`), {
    fuel: () => {
      asks++;
      return 100;
    },
  });
  assert.throws(() => callable(exports, "go")(), RangeError);
  assert.ok(asks > 50);
});

test("a tree of calls without any cycle that does 2^60 calls is charged", () => {
  const levels = Array.from(
    { length: 60 },
    (_, level) => `(func $f${level} (call $f${level + 1}) (call $f${level + 1}))`,
  );
  const text = `${levels.join("")} (func $f60 nop) (func (export "go") (call $f0))`;
  assert.deepEqual(asksOf(text), { asks: 50, ended: true });
});

test("a wide tree of calls is charged as well, through loops and tables too", () => {
  const calls = "(call $leaf) ".repeat(1000);
  const text = `(type $t (func)) (table 1 funcref) (elem (i32.const 0) $wide)
    (func $leaf) (func $wide ${calls})
    (func $through ${"(call_indirect (type $t) (i32.const 0))".repeat(1000)})
    (func (export "go") (call $through) (call $through) (call $through) (call $through))`;
  assert.deepEqual(asksOf(text), { asks: 50, ended: true });
});

test("small functions without loops run without any charge", () => {
  const text = `(func $leaf (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))
    (func (export "go") (param i32) (result i32) (i32.add (call $leaf (local.get 0)) (call $leaf (i32.const 1))))`;
  assert.deepEqual(asksOf(text, 50, 1_000, 4), { asks: 0, ended: false });
});

test("fuel follows the work: a loop run ten times as often takes ten times as much", () => {
  const text = `(func (export "go") (param i32) (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))`;
  const short = asksOf(text, 1e9, 100, 10_000).asks;
  const long = asksOf(text, 1e9, 100, 100_000).asks;
  assert.ok(Math.abs(long / short - 10) < 0.1, `${short} ${long}`);
  // About six instructions an iteration.
  assert.ok(short > 300 && short < 1_200, String(short));
});

test("the dear arm of a loop is not charged in every iteration", () => {
  const dear = "(drop (i32.div_u (i32.const 7) (local.get 0))) ".repeat(2_000);
  const text = `(func (export "go") (param i32)
    (loop (if (i32.eqz (local.get 0)) (then ${dear}))
      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))`;
  const { asks } = asksOf(text, 1e9, 1_000, 1_000);
  assert.ok(asks > 100 && asks < 5_000, String(asks));
});

/** Fuel that one run of `go` takes. */
function fuelOf(text: string, parameter: number): number {
  const most = 2 ** 30;
  const exports = metered(assemble(`(module ${text} (func (export "begin") (loop)))`), { fuel: () => most });
  callable(exports, "begin")();
  const before = (exports["lattice:fuel"] as WebAssembly.Global).value;
  callable(exports, "go")(parameter);
  return before - (exports["lattice:fuel"] as WebAssembly.Global).value;
}

const countDown = "(br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))";

test("a guest that always takes the dear arm pays at least a sixteenth of it", () => {
  const dear = "(drop (i32.div_u (i32.const 7) (local.get 0))) ".repeat(2_000);
  const inLoop = `(func (export "go") (param i32) (loop (if (local.get 0) (then ${dear})) ${countDown}))`;
  assert.ok(fuelOf(inLoop, 100) > (100 * 2_000 * 10) / 16);
  const inFunction = `(func $f (param i32) (if (local.get 0) (then ${dear})))
    (func (export "go") (param i32) (loop (call $f (i32.const 1)) ${countDown}))`;
  assert.ok(fuelOf(inFunction, 100) > (100 * 2_000 * 10) / 16);
});

test("what a function uses that is called in a loop is paid beside the loop's own", () => {
  const callee = `(func $f (param i32) (loop ${countDown}))`;
  const alone = fuelOf(`${callee} (func (export "go") (param i32) (call $f (local.get 0)))`, 1_000);
  assert.ok(alone > 4_000);
  const loops = {
    direct: `(loop (call $f (i32.const 1000)) ${countDown})`,
    nested: `(loop (block (loop (call $f (i32.const 1000)) (br_if 1 (i32.const 1)) (br 0))) ${countDown})`,
    indirect: `(loop (call_indirect (param i32) (i32.const 1000) (i32.const 0)) ${countDown})`,
  };
  for (const [way, loop] of Object.entries(loops)) {
    const text = `${callee} (table 1 funcref) (elem (i32.const 0) $f) (func (export "go") (param i32) ${loop})`;
    const used = fuelOf(text, 100);
    assert.ok(used >= 100 * alone && used < 110 * alone, `${way} ${used}`);
  }
});

test("a loop pays for the small functions it calls that do not charge themselves", () => {
  const small = `(func $f (result i32) (i32.const 0) ${"(i32.const 1) (i32.add) ".repeat(25)})`;
  const text = `${small} (func (export "go") (param i32) (loop (drop (call $f)) ${countDown}))`;
  // Its own instructions are about 11.
  assert.ok(fuelOf(text, 1_000) > 1_000 * 20);
});

test("a loop without calls reads the fuel from memory once before it, not in every iteration", () => {
  const reads = (loop: string) => {
    const { bytes } = instrument(assemble(`(module (func $f) (func (export "go") (param i32) ${loop}))`), {
      name: "guest",
    });
    const module = wabt.readWasm(bytes, {});
    const body = /\(func \(;8;\)[^]*?\n {2}\(func/.exec(module.toText({}))![0];
    module.destroy();
    return body.slice(0, body.indexOf("if")).match(/global\.get|loop/g);
  };
  assert.deepEqual(reads(`(loop ${countDown})`), ["global.get", "loop"]);
  assert.deepEqual(reads(`(loop (call $f) ${countDown})`), ["global.get", "loop", "global.get"]);
  assert.deepEqual(reads(`(loop (loop (br_if 1 (i32.const 0))) ${countDown})`), ["global.get", "loop"]);
});

test("what a bulk instruction takes in a loop is paid beside the loop's own", () => {
  const text = `(memory 1) (func (export "go") (param i32)
    (loop (memory.fill (i32.const 0) (i32.const 1) (i32.const 60000)) ${countDown}))`;
  assert.ok(fuelOf(text, 100) >= (100 * 60_000) / 8);
});

test("code behind a handler is paid with the dearest that may have led to it", () => {
  const work = "(drop (i32.div_u (i32.const 7) (local.get 0))) ".repeat(100);
  const guarded = `(try (do ${work} (throw $t)) (catch $t)) `.repeat(20);
  const text = `(tag $t) (func $f (param i32) ${guarded})
    (func (export "go") (param i32) (loop (call $f (i32.const 1)) ${countDown}))`;
  assert.ok(fuelOf(text, 100) > (100 * 20 * 100 * 10) / 16);
});

test("a spinning guest yields to the event loop as often as it is told to", async () => {
  const bytes = assemble(`(module (func (export "go") (param i32)
    (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))`);
  let turns = 0;
  let running = true;
  const count = () => {
    turns++;
    if (running) setImmediate(count);
  };
  setImmediate(count);
  let yields = 0;
  const exports = metered(bytes, {
    fuel: () => 0,
    yield: () => {
      yields++;
      return new Promise((resolve) => setImmediate(() => resolve(10_000)));
    },
  });
  await suspendable(exports, "go")(100_000);
  running = false;
  assert.ok(yields > 20 && turns >= yields, `${yields} yields, ${turns} turns`);
});

test("a guest may be ended while it is suspended, and its handlers do not see it", async () => {
  const bytes = assemble(`(module (global $caught (export "caught") (mut i32) (i32.const 0))
    (func (export "go") (try (do (loop (br 0))) (catch_all (global.set $caught (i32.const 1))))))`);
  const exports = metered(bytes, { fuel: () => 0, yield: () => Promise.resolve(-1) });
  await assert.rejects(suspendable(exports, "go")(), { name: "RuntimeError", message: "unreachable" });
  assert.equal((exports.caught as WebAssembly.Global).value, 0);
});

test("the host takes fuel away by writing 0, and the guest asks at its next charge", () => {
  let asks = 0;
  const bytes = assemble(`(module (import "env" "stop" (func $stop))
    (func (export "go") (call $stop) (loop) (loop) (call $stop) (loop)))`);
  const exports: WebAssembly.Instance["exports"] = metered(
    bytes,
    { fuel: () => 1_000 * ++asks },
    { env: { stop: () => ((exports["lattice:fuel"] as WebAssembly.Global).value = 0) } },
  );
  callable(exports, "go")();
  assert.equal(asks, 2);
});

const megabytes = 2 ** 20;

test("a bulk instruction asks at least once for every 64 KiB it moves", () => {
  const memory = `(memory 1024) (data $d "${"x".repeat(200_000)}")`;
  const go = (code: string) => `${memory} (func (export "go") (param i32) ${code})`;
  const fill = asksOf(go("(memory.fill (i32.const 0) (i32.const 1) (local.get 0))"), 1e9, 1, 32 * megabytes);
  assert.ok(fill.asks >= 512, String(fill.asks));
  const copy = asksOf(go("(memory.copy (i32.const 0) (i32.const 10) (local.get 0))"), 1e9, 1, 32 * megabytes);
  assert.ok(copy.asks >= 512, String(copy.asks));
  const init = asksOf(go("(memory.init $d (i32.const 0) (i32.const 0) (local.get 0))"), 1e9, 1, 200_000);
  assert.ok(init.asks >= 3, String(init.asks));
  assert.deepEqual(asksOf(go("(memory.fill (i32.const 0) (i32.const 1) (local.get 0))"), 100, 1_000, 32 * megabytes), {
    asks: 100,
    ended: true,
  });
});

test("bulk instructions on tables are charged by their length", () => {
  for (const code of [
    "(table.fill (i32.const 0) (ref.null func) (local.get 0))",
    "(table.copy (i32.const 0) (i32.const 1) (local.get 0))",
    "(table.init $e (i32.const 0) (i32.const 0) (local.get 0))",
    "(drop (table.grow (ref.null func) (local.get 0)))",
  ]) {
    const bytes = assemble(`(module (table 60000 funcref) (elem $e func ${"$f ".repeat(1_000)}) (func $f)
      (func (export "go") (param i32) (loop) ${code}))`);
    const exports = metered(bytes, { fuel: () => 100_000 });
    callable(exports, "go")(1_000);
    const used = 100_000 - (exports["lattice:fuel"] as WebAssembly.Global).value;
    assert.ok(used >= 4_000 && used < 5_000, `${code} ${used}`);
  }
});

const bulk = `(memory (export "memory") 8) (data $d "${"abcdefgh".repeat(20_000)}")
  (func (export "fill") (param i32 i32 i32) (memory.fill (local.get 0) (local.get 1) (local.get 2)))
  (func (export "copy") (param i32 i32 i32) (memory.copy (local.get 0) (local.get 1) (local.get 2)))
  (func (export "init") (param i32 i32 i32) (memory.init $d (local.get 0) (local.get 1) (local.get 2)))
  (func (export "drop") (data.drop $d))
  (func (export "noise") (param i32) (local i32)
    (loop
      (i32.store8 (local.get 1) (i32.mul (local.get 1) (i32.add (local.get 1) (local.get 0))))
      (br_if 0 (i32.lt_u (local.tee 1 (i32.add (local.get 1) (i32.const 1))) (i32.const 524288)))))`;

test("bulk instructions in pieces do what they do at once: overlaps, bounds, dropped data", () => {
  const code = assemble(`(module ${bulk})`);
  const size = 8 * 65_536;
  const lengths = [0, 1, 65_535, 65_536, 65_537, 131_072, 200_001, size, size + 1, 0xffffffff, 0xffff0000];
  const addresses = [0, 1, 7, 65_536, 100_000, size - 65_537, size - 1, size, size + 1, 0xffffffff, 0x80000000];
  const seconds = [0, 3, 65_535, 65_540, 100_001, size - 200_001, 0xfffffff0];
  const both = [instantiate(code), metered(code, { fuel: () => 10_000 })];
  const results = both.map((exports) => {
    const memory = new Uint8Array((exports.memory as WebAssembly.Memory).buffer);
    const seen: string[] = [];
    const attempt = (what: string, ...parameters: number[]) => {
      let end = "ok";
      try {
        callable(exports, what)(...parameters);
      } catch (error) {
        end = (error as Error).message;
      }
      seen.push(`${what} ${parameters.join(" ")}: ${end} ${checksum(memory)}`);
    };
    callable(exports, "noise")(5);
    for (const length of lengths) {
      for (const address of addresses) {
        attempt("fill", address, length & 0xff, length);
        for (const second of seconds) attempt("copy", address, second, length);
      }
      callable(exports, "noise")(length);
      for (const address of [0, 100_000, size - 1])
        for (const second of [0, 1, 100_000, 160_000]) attempt("init", address, second, length);
    }
    callable(exports, "drop")();
    for (const length of lengths) attempt("init", 0, 0, length);
    return seen;
  });
  assert.ok(results[0]!.some((line) => line.includes("out of bounds")));
  assert.deepEqual(results[1], results[0]);
});

function checksum(memory: Uint8Array): number {
  const words = new Int32Array(memory.buffer);
  let sum = 0;
  for (let at = 0; at < words.length; at++) sum = (Math.imul(sum, 31) + words[at]!) | 0;
  return sum;
}

test("every real guest of this repository is rewritten to a valid module", () => {
  const folder = new URL("../guests/bin/", import.meta.url);
  const files = readdirSync(folder).map((file) => new URL(file, folder));
  assert.ok(files.length > 5);
  for (const file of files) {
    const bytes = readFileSync(file);
    const { bytes: code, run } = instrument(bytes, { name: file.pathname });
    assert.ok(WebAssembly.validate(code), file.pathname);
    assert.ok(run, file.pathname);
  }
});
