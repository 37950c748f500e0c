import { instantiate } from "@wapc/host";
import wabtInit from "wabt";
import { ActorModule, Census, Pool, prepare, Scheduler, signModule } from "../actors/index.ts";
import { KeyPair } from "../lattice/index.ts";

/** One line of the table that `npm run bench` prints. */
export interface BenchRow {
  readonly figure: string;
  readonly value: number;
  readonly unit: string;
  /** What stands beside it, measured in the same run. */
  readonly reference: { readonly name: string; readonly value: number };
  readonly ratio: number;
  /** Budget: the ratio to reach first, and the one to reach in the end. */
  readonly first: number;
  readonly goal: number;
  readonly note: string;
}

/** Echoes its payload as C or Rust guests do: asks for the request, answers from the same buffer. */
const echoText = `(module
  (import "wapc" "__guest_request" (func $request (param i32 i32)))
  (import "wapc" "__guest_response" (func $respond (param i32 i32)))
  (memory (export "memory") 2)
  (func (export "__guest_call") (param i32 i32) (result i32)
    (call $request (i32.const 1024) (i32.const 4096))
    (call $respond (i32.const 4096) (local.get 1))
    (i32.const 1)))`;

const operation = "HandleRequest";
const payloadBytes = 100;
/** Rounds of each side, taken in turns so that a busy machine troubles both alike. */
const rounds = 7;
const roundMs = 120;
const concurrent = 16;

/** waPC echo of 100 bytes, instrumented and in its coroutine, against `@wapc/host` on the plain module. */
export async function measureEcho(): Promise<BenchRow[]> {
  const bytes = await plainEcho();
  const payload = new Uint8Array(payloadBytes).fill(7);
  const peer = await instantiate(bytes);
  const world = { scheduler: new Scheduler(), census: new Census() };
  const issuer = KeyPair.generate("account");
  const signed = signModule(bytes, { issuer, module: KeyPair.generate("module"), name: "echo" });
  const module = prepare(ActorModule.fromBytes(signed));
  const host = { hostCall: () => new Uint8Array(0), log: () => undefined };
  const pool = new Pool({ module, host, name: "echo", ...world });
  const call = { operation, payload, deadline: Number.POSITIVE_INFINITY, hops: 0, trace: undefined };

  const one = () => pool.call(call);
  const many = () => Promise.all(Array.from({ length: concurrent }, one));
  const theirs = () => peer.invoke(operation, payload);
  const theirsMany = () => Promise.all(Array.from({ length: concurrent }, theirs));
  const sides = [
    { run: theirs, calls: 1, rates: [] as number[] },
    { run: one, calls: 1, rates: [] as number[] },
    { run: theirsMany, calls: concurrent, rates: [] as number[] },
    { run: many, calls: concurrent, rates: [] as number[] },
  ];
  for (let round = 0; round <= rounds; round++) {
    for (const { run, calls, rates } of sides) {
      const rate = await callsPerSecond(run, calls);
      // The first round warms the compilers.
      if (round > 0) rates.push(rate);
    }
  }
  await pool.stop();
  world.scheduler.stop();
  const [theirRate, ourRate, theirBatch, ourBatch] = sides.map(({ rates }) => median(rates)) as [
    number,
    number,
    number,
    number,
  ];
  return [
    row("waPC echo 100 B, one caller", ourRate, theirRate),
    row(`waPC echo 100 B, ${concurrent} callers`, ourBatch, theirBatch),
  ];
}

function row(figure: string, value: number, reference: number): BenchRow {
  return {
    figure,
    value: Math.round(value),
    unit: "calls/s",
    reference: { name: "@wapc/host, same module, not instrumented", value: Math.round(reference) },
    ratio: value / reference,
    first: 5,
    goal: 15,
    note: "pool, fuel, coroutine and deadline watch on; median of 7 rounds in turns with the peer",
  };
}

async function plainEcho(): Promise<Uint8Array> {
  const module = (await wabtInit()).parseWat("echo.wat", echoText);
  const { buffer } = module.toBinary({});
  module.destroy();
  return buffer;
}

async function callsPerSecond(run: () => Promise<unknown>, calls: number): Promise<number> {
  const begin = performance.now();
  let done = 0;
  let elapsed = 0;
  while (elapsed < roundMs) {
    for (let i = 0; i < 200; i++) await run();
    done += 200 * calls;
    elapsed = performance.now() - begin;
  }
  return (done / elapsed) * 1_000;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

if (import.meta.main) {
  for (const { figure, value, unit, reference, ratio } of await measureEcho()) {
    process.stdout.write(
      `${figure}: ${value} ${unit}, ${reference.name}: ${reference.value}, ratio ${ratio.toFixed(1)}\n`,
    );
  }
}
