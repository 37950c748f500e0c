import assert from "node:assert/strict";
import { test } from "node:test";
import { isLatticeError } from "../../lattice/index.ts";
import type { CallSite } from "../../actors/index.ts";
import { assemble, echoText, guestText, hostile, prepared, relayText, startWorld, textOf } from "../support/guests.ts";

const code = (expected: string) => (error: unknown) => isLatticeError(error) && error.code === expected;

/** Runs `text` with rc, response, error in every combination: payload bytes say which. */
const outcomeText = guestText(`
  (data (i32.const 0) "the replythe error")
  (func (export "__guest_call") (param i32 i32) (result i32)
    (call $request (i32.const 1024) (i32.const 2048))
    (if (i32.load8_u (i32.const 2049)) (then (call $respond (i32.const 0) (i32.const 9))))
    (if (i32.load8_u (i32.const 2050)) (then (call $fail (i32.const 9) (i32.const 9))))
    (i32.load8_u (i32.const 2048)))`);

void test("the outcome of a call follows return value, error and response", async () => {
  await using world = startWorld();
  const guest = world.pool(prepared(assemble(outcomeText)));
  const run = (rc: number, response: number, error: number) =>
    guest.call("Op", Uint8Array.of(rc, response, error)).then(textOf, (reason: Error) => reason.message);
  assert.equal(await run(1, 1, 0), "the reply");
  assert.equal(await run(1, 0, 0), "");
  assert.equal(await run(1, 1, 1), "guest failed Op: the error");
  assert.equal(await run(1, 0, 1), "guest failed Op: the error");
  assert.equal(await run(0, 0, 1), "guest failed Op: the error");
  assert.equal(await run(0, 1, 0), "guest failed Op: it returned 0 without an error text");
  assert.equal(await run(0, 0, 0), "guest failed Op: it returned 0 without an error text");
  assert.equal(await run(1, 0, 0), "", "neither reply nor error leaks into the next call");
  assert.equal(guest.pool.stats().instances, 1, "a guest that fails stays");
});

void test("operation and payload arrive with their length in bytes", async () => {
  await using world = startWorld();
  const text = guestText(`
    (func (export "__guest_call") (param i32 i32) (result i32)
      (call $request (i32.const 1024) (i32.add (i32.const 1024) (local.get 0)))
      (call $respond (i32.const 1024) (i32.add (local.get 0) (local.get 1)))
      (i32.const 1))`);
  const guest = world.pool(prepared(assemble(text)));
  assert.equal(textOf(await guest.call("Überträge!", "grüße 🦀")), "Überträge!grüße 🦀");
});

void test("an error text that is not UTF-8 still reads", async () => {
  await using world = startWorld();
  const text = guestText(`
    (data (i32.const 0) "caf\\c3\\28")
    (func (export "__guest_call") (param i32 i32) (result i32)
      (call $fail (i32.const 0) (i32.const 5))
      (i32.const 0))`);
  await assert.rejects(world.pool(prepared(assemble(text))).call(), { message: "guest failed Op: caf\ufffd(" });
});

void test("a host call that is answered at once, later, and with an error", async () => {
  await using world = startWorld();
  const answers: (() => Uint8Array | Promise<Uint8Array>)[] = [
    () => Buffer.from("now"),
    () => new Promise((resolve) => setImmediate(() => resolve(Buffer.from("later")))),
    () => {
      throw new Error("not now é");
    },
    () => Promise.reject(new Error("not later é")),
    () => new Uint8Array(0),
  ];
  const sites: CallSite[] = [];
  const guest = world.pool(prepared(assemble(relayText)), {
    hostCall: (site, payload) => {
      sites.push(site);
      assert.equal(textOf(payload), "in");
      return answers.shift()!();
    },
  });
  assert.equal(textOf(await guest.call("Op", "in")), "now");
  assert.equal(textOf(await guest.call("Op", "in")), "later");
  await assert.rejects(guest.call("Op", "in"), { message: "guest failed Op: not now é" });
  await assert.rejects(guest.call("Op", "in"), { message: "guest failed Op: not later é" });
  assert.equal(textOf(await guest.call("Op", "in")), "");
  const { binding, namespace, operation } = sites[0]!;
  assert.deepEqual(
    { binding, namespace, operation },
    { binding: "default", namespace: "test:host", operation: "Relay" },
  );
  assert.ok(
    sites.every((site) => site === sites[0]),
    "one site for one set of names",
  );
});

void test("older host calls of six and four parameters name the same site", async () => {
  await using world = startWorld();
  const names: string[] = [];
  const hostCall = ({ binding, namespace, operation }: CallSite, payload: Uint8Array) => {
    names.push(`${binding} ${namespace} ${operation} ${textOf(payload)}`);
    return new Uint8Array(0);
  };
  const six = `(module
    (import "wapc" "__host_call" (func $host_call (param i32 i32 i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "wascc:keyvalueAddpayload")
    (func (export "__guest_call") (param i32 i32) (result i32)
      (call $host_call (i32.const 0) (i32.const 14) (i32.const 14) (i32.const 3) (i32.const 17) (i32.const 7))))`;
  const four = `(module
    (import "wapc" "__host_call" (func $host_call (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "wascc:keyvalue!Addpayload")
    (func (export "__guest_call") (param i32 i32) (result i32)
      (call $host_call (i32.const 0) (i32.const 18) (i32.const 18) (i32.const 7))))`;
  const emptyBinding = `(module
    (import "wasmbus" "__host_call" (func $host_call (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "wascc:keyvalueAddpayload")
    (func (export "__guest_call") (param i32 i32) (result i32)
      (call $host_call (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 14)
        (i32.const 14) (i32.const 3) (i32.const 17) (i32.const 7))))`;
  for (const text of [six, four, emptyBinding]) {
    assert.equal((await world.pool(prepared(assemble(text)), { hostCall }).call()).length, 0);
  }
  assert.deepEqual(
    names,
    Array.from({ length: 3 }, () => "default wascc:keyvalue Add payload"),
  );
});

void test("memory that grows before, during and after a host call corrupts nothing", async () => {
  await using world = startWorld();
  const text = guestText(`
    (data (i32.const 0) "defaulttest:hostRelay")
    (func (export "__guest_call") (param i32 i32) (result i32)
      (call $request (i32.const 1024) (i32.const 4096))
      (drop (memory.grow (i32.const 3)))
      (drop (call $host_call (i32.const 0) (i32.const 7) (i32.const 7) (i32.const 9)
        (i32.const 16) (i32.const 5) (i32.const 4096) (local.get 1)))
      (drop (memory.grow (i32.const 3)))
      (call $host_response (i32.const 200000))
      (call $respond (i32.const 200000) (call $host_response_len))
      (i32.const 1))`);
  const guest = world.pool(prepared(assemble(text)), {
    hostCall: (_site, payload) => {
      const copy = payload.toReversed();
      return new Promise((resolve) => setImmediate(() => resolve(copy)));
    },
  });
  for (let round = 0; round < 5; round++) assert.equal(textOf(await guest.call("Op", `abc${round}`)), `${round}cba`);
});

void test("a payload, reply or host reply over the limit is refused and the instance stays", async () => {
  await using world = startWorld();
  const limits = { payloadBytes: 1_000 };
  const echo = world.pool(prepared(assemble(echoText)), { limits });
  assert.equal((await echo.call("Op", new Uint8Array(1_000))).length, 1_000);
  await assert.rejects(echo.call("Op", new Uint8Array(1_001)), code("PAYLOAD_TOO_LARGE"));
  const large = guestText(`
    (func (export "__guest_call") (param i32 i32) (result i32)
      (call $respond (i32.const 0) (i32.const 1001))
      (i32.const 1))`);
  const talker = world.pool(prepared(assemble(large)), { limits });
  await assert.rejects(talker.call(), code("PAYLOAD_TOO_LARGE"));
  await assert.rejects(talker.call(), code("PAYLOAD_TOO_LARGE"));
  assert.equal(talker.pool.stats().traps, 0);
  const relay = world.pool(prepared(assemble(relayText)), { limits, hostCall: () => new Uint8Array(1_001) });
  await assert.rejects(relay.call(), { code: "GUEST_FAILED", message: /the host's reply has 1001 bytes/ });
});

void test("a log line arrives, and so does text written piece by piece to standard output", async () => {
  await using world = startWorld();
  const text = `(module
    (import "wapc" "__console_log" (func $log (param i32 i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "hello, w\\c3\\b6rld\\nand more")
    (data (i32.const 100) "\\00\\00\\00\\00\\09\\00\\00\\00\\09\\00\\00\\00\\0d\\00\\00\\00")
    (func (export "__guest_call") (param i32 i32) (result i32)
      (call $log (i32.const 0) (i32.const 5))
      (if (call $write (i32.const 1) (i32.const 100) (i32.const 2) (i32.const 200)) (then unreachable))
      (if (i32.ne (i32.load (i32.const 200)) (i32.const 22)) (then unreachable))
      (if (i32.ne (call $write (i32.const 7) (i32.const 100) (i32.const 2) (i32.const 200)) (i32.const 8)) (then unreachable))
      (i32.const 1)))`;
  const guest = world.pool(prepared(assemble(text)));
  await guest.call();
  assert.deepEqual(guest.logs, [
    { stream: "console", text: "hello" },
    { stream: "stdout", text: "hello, wörld" },
    { stream: "stdout", text: "and more" },
  ]);
});

void test("a trap names the guest's own functions and the next call gets a new instance", async () => {
  await using world = startWorld();
  const guest = world.pool(prepared(hostile("trap"), "clumsy"));
  await assert.rejects(guest.call("Op", Uint8Array.of(0)), {
    code: "GUEST_TRAPPED",
    message: /^clumsy trapped in Op: unreachable in give_up < /,
  });
  await assert.rejects(guest.call("Op", Uint8Array.of(1)), { message: /divide by zero in divide_by_zero/ });
  await assert.rejects(guest.call("Op", Uint8Array.of(2)), { message: /memory access out of bounds in read_outside/ });
  assert.equal(guest.pool.stats().traps, 3);
});

void test("an error text set before a trap is told with it", async () => {
  await using world = startWorld();
  const text = guestText(`
    (data (i32.const 0) "out of cheese")
    (func $abort unreachable)
    (func (export "__guest_call") (param i32 i32) (result i32)
      (call $fail (i32.const 0) (i32.const 13))
      (call $abort)
      (i32.const 1))`);
  await assert.rejects(world.pool(prepared(assemble(text))).call(), {
    code: "GUEST_TRAPPED",
    message: /out of cheese \(unreachable in abort/,
  });
});

void test("AssemblyScript's abort tells message and place", async () => {
  await using world = startWorld();
  const text = `(module
    (import "env" "abort" (func $abort (param i32 i32 i32 i32)))
    (memory (export "memory") 1)
    (data (i32.const 12) "\\04\\00\\00\\00o\\00h\\00")
    (data (i32.const 28) "\\08\\00\\00\\00a\\00.\\00t\\00s\\00")
    (func (export "__guest_call") (param i32 i32) (result i32)
      (call $abort (i32.const 16) (i32.const 32) (i32.const 3) (i32.const 5))
      (i32.const 1)))`;
  await assert.rejects(world.pool(prepared(assemble(text))).call(), {
    code: "GUEST_TRAPPED",
    message: /abort: oh at a\.ts:3:5/,
  });
});

void test("start functions run once, in order, and may call the host and sleep", async () => {
  await using world = startWorld();
  const text = `(module
    (import "wapc" "__host_call" (func $host_call (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (import "wapc" "__guest_response" (func $respond (param i32 i32)))
    (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "abcd")
    (data (i32.const 16) "defaulttest:hostRelay")
    (global $n (mut i32) (i32.const 0))
    (func $note (param i32)
      (i32.store8 (i32.add (i32.const 200) (global.get $n)) (i32.load8_u (local.get 0)))
      (global.set $n (i32.add (global.get $n) (i32.const 1))))
    (func $main (call $note (i32.const 0)))
    (start $main)
    (func (export "_start")
      (i64.store (i32.const 320) (i64.const 2000000))
      (if (call $poll (i32.const 296) (i32.const 400) (i32.const 1) (i32.const 500)) (then unreachable))
      (if (i32.ne (i32.load (i32.const 500)) (i32.const 1)) (then unreachable))
      (call $note (i32.const 1))
      (call $exit (i32.const 0)))
    (func (export "start") (call $note (i32.const 2)))
    (func (export "wapc_init")
      (drop (call $host_call (i32.const 16) (i32.const 7) (i32.const 23) (i32.const 9)
        (i32.const 32) (i32.const 5) (i32.const 0) (i32.const 0)))
      (call $note (i32.const 3)))
    (func (export "__guest_call") (param i32 i32) (result i32)
      (call $respond (i32.const 200) (global.get $n))
      (i32.const 1)))`;
  const module = prepared(assemble(text));
  assert.deepEqual(module.startup, ["lattice:start", "_start", "start", "wapc_init"]);
  const operations: string[] = [];
  const guest = world.pool(module, {
    hostCall: (_site, _payload, call) => {
      operations.push(call.operation);
      return new Promise((resolve) => setImmediate(() => resolve(new Uint8Array(0))));
    },
  });
  await guest.pool.warm();
  assert.equal(textOf(await guest.call()), "abcd");
  assert.equal(textOf(await guest.call()), "abcd");
  assert.deepEqual(operations, ["wapc_init"]);
});

void test("a start function that traps or exits with a code fails the start and the calls that wait", async () => {
  await using world = startWorld();
  const trapping = `(module (memory (export "memory") 1)
    (func $boom unreachable)
    (func (export "_start") (call $boom))
    (func (export "__guest_call") (param i32 i32) (result i32) (i32.const 1)))`;
  const guest = world.pool(prepared(assemble(trapping)));
  await assert.rejects(guest.pool.warm(), {
    code: "GUEST_START_FAILED",
    message: /^guest failed to start in _start: unreachable in boom/,
  });
  await assert.rejects(guest.call(), code("GUEST_START_FAILED"));
  const exiting = `(module
    (import "wasi_unstable" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (func (export "_start") (call $exit (i32.const 3)))
    (func (export "__guest_call") (param i32 i32) (result i32) (i32.const 1)))`;
  await assert.rejects(world.pool(prepared(assemble(exiting))).pool.warm(), { message: /it exited with code 3/ });
  const segment = `(module (memory (export "memory") 1) (data (i32.const 65535) "ab")
    (func (export "__guest_call") (param i32 i32) (result i32) (i32.const 1)))`;
  await assert.rejects(world.pool(prepared(assemble(segment))).pool.warm(), {
    message: /failed to start in instantiation/,
  });
  assert.equal(world.census.total, 0);
});

void test("proc_exit in a call ends the instance; an answer given before it counts when the code is 0", async () => {
  await using world = startWorld();
  const text = `(module
    (import "wapc" "__guest_request" (func $request (param i32 i32)))
    (import "wapc" "__guest_response" (func $respond (param i32 i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "done")
    (func (export "__guest_call") (param i32 i32) (result i32)
      (call $request (i32.const 100) (i32.const 200))
      (call $respond (i32.const 0) (i32.const 4))
      (call $exit (i32.load8_u (i32.const 200)))
      (call $respond (i32.const 0) (i32.const 2))
      (i32.const 1)))`;
  const guest = world.pool(prepared(assemble(text)));
  assert.equal(textOf(await guest.call("Op", Uint8Array.of(0))), "done");
  await assert.rejects(guest.call("Op", Uint8Array.of(4)), { code: "GUEST_FAILED", message: /exited with code 4/ });
  assert.equal(textOf(await guest.call("Op", Uint8Array.of(0))), "done");
});

void test("a module that wants its memory from outside gets one", async () => {
  await using world = startWorld();
  const text = `(module
    (import "env" "memory" (memory 2))
    (import "wapc" "__guest_request" (func $request (param i32 i32)))
    (import "wapc" "__guest_response" (func $respond (param i32 i32)))
    (func (export "__guest_call") (param i32 i32) (result i32)
      (call $request (i32.const 0) (i32.const 100000))
      (call $respond (i32.const 100000) (local.get 1))
      (i32.const 1)))`;
  assert.equal(textOf(await world.pool(prepared(assemble(text))).call("Op", "hi")), "hi");
});

void test("a host call that is refused when the deadline has passed ends the call by its deadline, not by the refusal", async () => {
  await using world = startWorld();
  const deadline = performance.now() + 20;
  const guest = world.pool(prepared(assemble(relayText), "relay"), {
    hostCall: () =>
      new Promise((_, reject) =>
        setImmediate(() => {
          // The thread is held up until then, so nobody else has looked at the clock.
          while (performance.now() <= deadline);
          reject(new Error("late"));
        }),
      ),
  });
  await guest.pool.warm();
  await assert.rejects(guest.call("Op", "", { deadline }), { code: "DEADLINE_EXCEEDED" });
});
