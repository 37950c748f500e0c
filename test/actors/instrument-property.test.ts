import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { assert as check, asyncProperty, integer, nat, property, uint8Array } from "../support/fast-check.ts";
import { instrument, PENDING } from "../../actors/index.ts";
import { instantiate, latticeImports, type MeteredExports, type MeterHost } from "../support/metered.ts";
import { randomModule } from "../support/random-module.ts";

/** All that can be seen of one run. */
interface Outcome {
  readonly end: string;
  readonly notes: readonly number[];
  readonly memory: string;
  readonly state: unknown;
  readonly budget: unknown;
}

/** Never negative, so never one of the sentinels that suspend or end a guest. */
const answer = (question: number) => (Math.imul(question, 3) + 1) >>> 1;
/** More than enough for a loop, little enough for the stack of a coroutine. */
const steps = 400;
const tapes = uint8Array({ minLength: 20, maxLength: 700, size: "max" });
const seldom = { numRuns: 400 } as const;

interface Running {
  readonly exports: MeteredExports;
  readonly notes: number[];
}

function start(bytes: Uint8Array, ask: (question: number) => number, host?: MeterHost): Running {
  const notes: number[] = [];
  const env = { note: (value: number) => void notes.push(value), ask };
  const exports = instantiate(bytes, host === undefined ? { env } : { env, lattice: latticeImports(host) });
  (exports.budget as WebAssembly.Global).value = steps;
  return { exports, notes };
}

function outcome({ exports, notes }: Running, end: string): Outcome {
  const memory = new Uint8Array((exports.memory as WebAssembly.Memory).buffer);
  return {
    end,
    notes,
    memory: createHash("sha1").update(memory).digest("hex"),
    state: (exports.state as WebAssembly.Global).value,
    budget: (exports.budget as WebAssembly.Global).value,
  };
}

const failure = (error: unknown) =>
  error instanceof WebAssembly.Exception ? "exception" : `${(error as Error).name}: ${(error as Error).message}`;

function run(bytes: Uint8Array, argument: number, host?: MeterHost): Outcome {
  const running = start(bytes, answer, host);
  try {
    return outcome(running, String((running.exports.main as Function)(argument)));
  } catch (error) {
    return outcome(running, failure(error));
  }
}

/** With fuel that ends at every charge, a suspension each time, and every other answer late. */
async function runSuspending(bytes: Uint8Array, argument: number): Promise<Outcome & { readonly waits: number }> {
  let asked = 0;
  let late = 0;
  let waits = 0;
  const ask = (question: number) => {
    if (++asked % 2 === 0) return answer(question);
    late = answer(question);
    return PENDING;
  };
  const host: MeterHost = {
    fuel: () => 0,
    yield: async () => {
      waits++;
      return 2;
    },
    wait: async () => {
      waits++;
      return late;
    },
  };
  const running = start(bytes, ask, host);
  try {
    const result: unknown = await WebAssembly.promising(running.exports.main as Function)(argument);
    return { ...outcome(running, String(result)), waits };
  } catch (error) {
    return { ...outcome(running, failure(error)), waits };
  }
}

const instrumented = (bytes: Uint8Array) =>
  instrument(bytes, { name: "random.wasm", suspendable: (module, name) => module === "env" && name === "ask" }).bytes;

test("a module does the same with and without fuel, however little is given at once", () => {
  let charges = 0;
  check(
    property(tapes, integer({ min: -3, max: 200 }), (tape, argument) => {
      const plain = randomModule(tape);
      const code = instrumented(plain);
      const expected = run(plain, argument);
      assert.deepEqual(run(code, argument, {}), expected);
      assert.deepEqual(run(code, argument, { fuel: () => Math.sign(++charges) }), expected);
    }),
    seldom,
  );
  assert.ok(charges > 1000, `only ${charges} charges were met`);
});

test("a module does the same when it suspends at every charge and at every other host call", async () => {
  let suspensions = 0;
  await check(
    asyncProperty(tapes, integer({ min: 0, max: 50 }), async (tape, argument) => {
      const plain = randomModule(tape);
      const { waits, ...seen } = await runSuspending(instrumented(plain), argument);
      suspensions += waits;
      assert.deepEqual(seen, run(plain, argument));
    }),
    seldom,
  );
  assert.ok(suspensions > 1000, `only ${suspensions} suspensions were met`);
});

test("a guest that is ended at any charge traps there and runs no further", () => {
  check(
    property(tapes, nat(200), (tape, last) => {
      const plain = randomModule(tape);
      let left = last;
      let asksAfterEnd = 0;
      const fuel = () => {
        if (left < 0) asksAfterEnd++;
        return left-- > 0 ? 1 : -1;
      };
      const seen = run(instrumented(plain), 7, { fuel });
      const expected = run(plain, 7);
      if (left >= 0) assert.deepEqual(seen, expected);
      else {
        assert.equal(seen.end, "RuntimeError: unreachable");
        assert.deepEqual(seen.notes, expected.notes.slice(0, seen.notes.length));
      }
      assert.equal(asksAfterEnd, 0);
    }),
    seldom,
  );
});

test("instrumenting is pure: the same bytes come out, and the input stays as it was", () => {
  check(
    property(tapes, (tape) => {
      const plain = randomModule(tape);
      const before = Buffer.from(plain);
      assert.deepEqual(instrumented(plain), instrumented(plain));
      assert.deepEqual(Buffer.from(plain), before);
    }),
    { numRuns: 30 },
  );
});
