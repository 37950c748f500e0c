import assert from "node:assert/strict";
import { test } from "node:test";
import { assemble, prepared, startWorld } from "../support/guests.ts";

const functions = {
  fd_write: "(param i32 i32 i32 i32) (result i32)",
  fd_read: "(param i32 i32 i32 i32) (result i32)",
  fd_seek: "(param i32 i64 i32 i32) (result i32)",
  fd_close: "(param i32) (result i32)",
  fd_fdstat_get: "(param i32 i32) (result i32)",
  fd_prestat_get: "(param i32 i32) (result i32)",
  random_get: "(param i32 i32) (result i32)",
  clock_time_get: "(param i32 i64 i32) (result i32)",
  clock_res_get: "(param i32 i32) (result i32)",
  args_get: "(param i32 i32) (result i32)",
  args_sizes_get: "(param i32 i32) (result i32)",
  environ_get: "(param i32 i32) (result i32)",
  environ_sizes_get: "(param i32 i32) (result i32)",
  sched_yield: "(result i32)",
  poll_oneoff: "(param i32 i32 i32 i32) (result i32)",
  path_open: "(param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)",
  sock_shutdown: "(param i32 i32) (result i32)",
} as const;

type Name = keyof typeof functions;
const modules = ["wasi_unstable", "wasi_snapshot_preview1"] as const;

/**
 * A guest whose calls do one WASI call each: `body` pushes its arguments and calls it. It answers
 * the errno as i32 and, behind it, memory from 64 on.
 */
async function run(module: (typeof modules)[number], name: Name, body: string, answerBytes = 64) {
  await using world = startWorld();
  const text = `(module
    (import "wapc" "__guest_response" (func $respond (param i32 i32)))
    (import "${module}" "${name}" (func $${name} ${functions[name]}))
    (memory (export "memory") 1)
    (func (export "__guest_call") (param i32 i32) (result i32)
      (i32.store (i32.const 60) ${body})
      (call $respond (i32.const 60) (i32.const ${answerBytes + 4}))
      (i32.const 1)))`;
  const reply = Buffer.from(await world.pool(prepared(assemble(text))).call());
  return { errno: reply.readUInt32LE(0), memory: reply.subarray(4) };
}

const seek = (fd: number) => `(call $fd_seek (i32.const ${fd}) (i64.const 0) (i32.const 0) (i32.const 64))`;

for (const module of modules) {
  void test(`${module}: clocks tell the time`, async () => {
    const before = BigInt(Date.now()) * 1_000_000n;
    const realtime = await run(
      module,
      "clock_time_get",
      "(call $clock_time_get (i32.const 0) (i64.const 1) (i32.const 64))",
    );
    assert.equal(realtime.errno, 0);
    const told = realtime.memory.readBigUInt64LE(0);
    assert.ok(told >= before && told <= BigInt(Date.now()) * 1_000_000n);
    const monotonic = await run(
      module,
      "clock_time_get",
      "(call $clock_time_get (i32.const 1) (i64.const 1) (i32.const 64))",
    );
    assert.equal(monotonic.errno, 0);
    assert.ok(monotonic.memory.readBigUInt64LE(0) > 0n);
    assert.equal(
      (await run(module, "clock_time_get", "(call $clock_time_get (i32.const 9) (i64.const 1) (i32.const 64))")).errno,
      28,
    );
    assert.equal((await run(module, "clock_res_get", "(call $clock_res_get (i32.const 0) (i32.const 64))")).errno, 0);
  });

  void test(`${module}: random bytes are random, and not too many at once`, async () => {
    const body = "(call $random_get (i32.const 64) (i32.const 32))";
    const first = await run(module, "random_get", body);
    const second = await run(module, "random_get", body);
    assert.equal(first.errno, 0);
    assert.notDeepEqual(first.memory.subarray(0, 32), second.memory.subarray(0, 32));
    assert.equal((await run(module, "random_get", "(call $random_get (i32.const 64) (i32.const 2000000))")).errno, 28);
  });

  void test(`${module}: there are no arguments, variables and folders`, async () => {
    for (const name of ["args_sizes_get", "environ_sizes_get"] as const) {
      const { errno, memory } = await run(module, name, `(call $${name} (i32.const 64) (i32.const 68))`);
      assert.deepEqual([errno, memory.readUInt32LE(0), memory.readUInt32LE(4)], [0, 0, 0]);
    }
    for (const name of ["args_get", "environ_get"] as const) {
      assert.equal((await run(module, name, `(call $${name} (i32.const 64) (i32.const 68))`)).errno, 0);
    }
    assert.equal((await run(module, "fd_prestat_get", "(call $fd_prestat_get (i32.const 3) (i32.const 64))")).errno, 8);
    assert.equal((await run(module, "sched_yield", "(call $sched_yield)")).errno, 0);
  });

  void test(`${module}: standard streams are devices without a position, other files do not exist`, async () => {
    const stat = await run(module, "fd_fdstat_get", "(call $fd_fdstat_get (i32.const 1) (i32.const 64))");
    assert.deepEqual([stat.errno, stat.memory[0]], [0, 2]);
    assert.equal((await run(module, "fd_fdstat_get", "(call $fd_fdstat_get (i32.const 5) (i32.const 64))")).errno, 8);
    assert.equal((await run(module, "fd_seek", seek(1))).errno, 70);
    assert.equal((await run(module, "fd_seek", seek(4))).errno, 8);
    assert.equal((await run(module, "fd_close", "(call $fd_close (i32.const 2))")).errno, 0);
    assert.equal((await run(module, "fd_close", "(call $fd_close (i32.const 4))")).errno, 8);
    const read = await run(
      module,
      "fd_read",
      "(call $fd_read (i32.const 0) (i32.const 80) (i32.const 0) (i32.const 64))",
    );
    assert.deepEqual([read.errno, read.memory.readUInt32LE(0)], [0, 0]);
  });

  void test(`${module}: what there is not answers ENOSYS`, async () => {
    const open = `(call $path_open ${"(i32.const 0) ".repeat(5)}(i64.const 0) (i64.const 0) (i32.const 0) (i32.const 64))`;
    assert.equal((await run(module, "path_open", open)).errno, 52);
    assert.equal((await run(module, "sock_shutdown", "(call $sock_shutdown (i32.const 3) (i32.const 0))")).errno, 52);
  });

  void test(`${module}: a poll sleeps until the first clock is due and reports that one`, async () => {
    const [size, timeout, flags] = module === "wasi_unstable" ? [56, 32, 48] : [48, 24, 40];
    const subscription = (at: number, userdata: number, ms: number) =>
      `(i64.store (i32.const ${at}) (i64.const ${userdata}))
       (i64.store (i32.const ${at + timeout}) (i64.const ${ms * 1_000_000}))
       (i32.store16 (i32.const ${at + flags}) (i32.const 0))`;
    const body = `(block (result i32)
      ${subscription(1_000, 77, 5_000)}
      ${subscription(1_000 + size, 78, 15)}
      (call $poll_oneoff (i32.const 1000) (i32.const 64) (i32.const 2) (i32.const 128)))`;
    const before = performance.now();
    const { errno, memory } = await run(module, "poll_oneoff", body, 80);
    assert.ok(performance.now() - before >= 14);
    assert.equal(errno, 0);
    assert.equal(memory.readUInt32LE(64), 1, "one event");
    assert.equal(memory.readBigUInt64LE(0), 78n);
    assert.deepEqual([memory.readUInt16LE(8), memory[10]], [0, 0]);
  });

  void test(`${module}: a poll for a file is answered at once with EBADF`, async () => {
    const body = `(block (result i32)
      (i64.store (i32.const 1000) (i64.const 5))
      (i32.store8 (i32.const 1008) (i32.const 1))
      (call $poll_oneoff (i32.const 1000) (i32.const 64) (i32.const 1) (i32.const 128)))`;
    const { errno, memory } = await run(module, "poll_oneoff", body, 80);
    assert.deepEqual([errno, memory.readUInt32LE(64), memory.readUInt16LE(8), memory[10]], [0, 1, 8, 1]);
  });
}

const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;

void test("a guest that sleeps is woken to end when its deadline passes, and leaves no timer behind", async () => {
  await using world = startWorld();
  const text = `(module
    (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "__guest_call") (param i32 i32) (result i32)
      (i64.store (i32.const 24) (i64.const 3600000000000))
      (call $poll (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 200))))`;
  const before = timers();
  const guest = world.pool(prepared(assemble(text)));
  await assert.rejects(guest.call("Op", "", { deadline: performance.now() + 30 }), { code: "DEADLINE_EXCEEDED" });
  await guest.pool.stop();
  world.scheduler.stop();
  assert.equal(timers(), before);
  assert.equal(world.census.total, 0);
});
