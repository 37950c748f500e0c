import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { askSocket } from "../support/ask-socket.ts";
import { Home, ready } from "../support/cli.ts";
import { assemble, guestText } from "../support/guests.ts";
import { until } from "../support/until.ts";

/** Echo sleeps four seconds, so that it is found at work on a busy machine too, then answers its payload. Health is told at once. */
const sleeper = guestText(`
  (func (export "__guest_call") (param i32 i32) (result i32)
    (call $request (i32.const 1024) (i32.const 4096))
    (if (i32.eq (i32.load8_u (i32.const 1024)) (i32.const 69)) (then
      (i64.store (i32.const 24) (i64.const 4000000000))
      (drop (call $sleep (i32.const 0) (i32.const 128) (i32.const 1) (i32.const 256)))))
    (call $respond (i32.const 4096) (local.get 1))
    (i32.const 1))`).replace(
  "(memory",
  `(import "wasi_snapshot_preview1" "poll_oneoff" (func $sleep (param i32 i32 i32 i32) (result i32)))
    (memory`,
);

/** Echo never ends by itself. */
const spinner = guestText(`
  (func (export "__guest_call") (param i32 i32) (result i32)
    (call $request (i32.const 1024) (i32.const 4096))
    (if (i32.eq (i32.load8_u (i32.const 1024)) (i32.const 69)) (then (loop $for_ever (br $for_ever))))
    (i32.const 1))`);

describe("interrupts", () => {
  test("before it is ready end run with 130", async () => {
    await using home = new Home();
    const running = home.start(["run", "-", "--port", "0"]);
    await until(() => running.stderr().includes("Loading"));
    running.child.kill("SIGINT");
    const { code, stderr } = await running.finished;
    assert.equal(code, 130);
    assert.doesNotMatch(stderr, /error:/);
  });

  test("let a call in flight finish, and end with 0; the signal coming twice at once is one", async () => {
    await using home = new Home();
    writeFileSync(join(home.path, "sleeper.wasm"), assemble(sleeper));
    const running = home.start(["run", "sleeper.wasm", "--dev", "--port", "0", "-o", "json"]);
    await ready(running);
    const call = home.run(["call", "sleeper", "Echo", "--text", "hello", "--raw"]);
    await until(async () => (await busy(home)) > 0);
    running.child.kill("SIGINT");
    running.child.kill("SIGINT");
    assert.equal((await call).stdout, "hello");
    assert.equal((await running.finished).code, 0);
  });

  test("a second time end it at once, with 130, whatever still runs", async () => {
    await using home = new Home();
    writeFileSync(join(home.path, "spinner.wasm"), assemble(spinner));
    const limits = ["--limit", "cpuMs=60000", "--limit", "drainMs=60000", "--limit", "callTimeoutMs=60000"];
    const running = home.start(["run", "spinner.wasm", "--dev", "--port", "0", ...limits]);
    await until(() => running.stdout().includes("Ctrl-C drains"));
    const call = home.run(["call", "spinner", "Echo", "--text", "x"]);
    await until(async () => (await busy(home)) > 0);
    running.child.kill("SIGINT");
    await until(() => running.stderr().includes("Draining"));
    const began = performance.now();
    await until(
      () => running.child.exitCode !== null || (performance.now() - began > 300 && running.child.kill("SIGINT")),
    );
    assert.equal((await running.finished).code, 130);
    assert.notEqual((await call).code, 0);
  });
});

/** Calls that the only host is working on. */
async function busy(home: Home): Promise<number> {
  const folder = join(home.path, "wasmlattice");
  const socket = readdirSync(folder).find((name) => name.endsWith(".sock")) ?? "";
  const { actors } = (await askSocket(join(folder, socket), "get.actors")) as {
    actors: { instances: { busy: number }[] }[];
  };
  return actors.flatMap(({ instances }) => instances).reduce((sum, one) => sum + one.busy, 0);
}
