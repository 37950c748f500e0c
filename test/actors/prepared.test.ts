import assert from "node:assert/strict";
import { test } from "node:test";
import { Loader, prepareCode, signModule } from "../../actors/index.ts";
import { KeyPair } from "../../lattice/index.ts";
import { rehearsal } from "../../actors/rehearsal.ts";
import { assemble, echoText, hostile, startWorld, textOf } from "../support/guests.ts";
import { longFunction, manyFunctions, manyLocals } from "../support/generated-modules.ts";

void test("imports that no host offers are refused, all named at once", () => {
  const text = `(module
    (import "wapc" "__guest_request" (func (param i32 i32)))
    (import "wapc" "__telepathy" (func))
    (import "env" "abort" (func (param i32 i32 i32 i32)))
    (import "env" "emscripten" (func))
    (import "wapc" "__host_call" (global i32))
    (import "wasi_snapshot_preview1" "sock_accept" (func (param i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "__guest_call") (param i32 i32) (result i32) (i32.const 1)))`;
  assert.throws(() => prepareCode(assemble(text), "odd.wasm"), {
    code: "MODULE_IMPORT_UNKNOWN",
    message: "odd.wasm imports what no host offers: wapc.__telepathy, env.emscripten, wapc.__host_call",
  });
});

void test("a module without memory or __guest_call is refused", () => {
  assert.throws(
    () => prepareCode(assemble(`(module (func (export "__guest_call") (result i32) (i32.const 1)))`), "a.wasm"),
    {
      code: "MODULE_EXPORT_MISSING",
      message: /memory and __guest_call/,
    },
  );
});

void test("code that V8 does not accept is refused with its words", () => {
  const bytes = assemble(echoText);
  const at = Buffer.from(bytes).lastIndexOf(Uint8Array.of(0x41, 1, 0x0b));
  assert.ok(at > 0);
  // `i32.const 1` becomes two `drop`s: the stack does not hold what they take.
  bytes.set([0x1a, 0x1a], at);
  assert.throws(() => prepareCode(bytes, "bad.wasm"), {
    code: "MODULE_MALFORMED",
    message: /^bad\.wasm is malformed: /,
  });
});

void test("atomic waits are refused by name", () => {
  assert.throws(() => prepareCode(hostile("atomic-wait"), "wait.wasm"), {
    code: "MODULE_FEATURE_REFUSED",
    message: /threads/,
  });
});

void test("the first call into a huge module blocks no longer than a slice or two", async () => {
  const cases = { "50 000 functions": manyFunctions(50_000), "a function of 1 MB": longFunction(1_000_000) };
  for (const [what, bytes] of Object.entries(cases)) {
    const { module } = prepareCode(bytes, what);
    const { exports } = new WebAssembly.Instance(module, { lattice: stubs });
    const run = exports["__guest_call"] as () => number;
    // The thread's own time: compiling would show here, other processes do not.
    const before = process.threadCpuUsage();
    run();
    const { user, system } = process.threadCpuUsage(before);
    assert.ok(user + system < 60_000, `${what}: ${user + system} us`);
  }
});

const plenty = () => 1_000_000;
const stubs = Object.fromEntries(
  ["fuel", "yield", "wait", "poll", "next", "size", "done"].map((name) => [name, plenty]),
);

void test("a megabyte of locals overflows the stack of its own coroutine and no other", async () => {
  await using world = startWorld();
  const key = KeyPair.generate("module");
  const signed = signModule(manyLocals(49_000), { issuer: KeyPair.generate("account"), module: key, name: "locals" });
  const module = await Loader.inThread.load(signed, { origin: "locals.wasm" });
  await assert.rejects(world.pool(module).call(), { code: "GUEST_TRAPPED", message: /stack overflow/ });
});

void test("the loader verifies and prepares on its thread, and passes errors on with their code", async () => {
  await using loader = new Loader();
  const issuer = KeyPair.generate("account");
  const signed = signModule(assemble(echoText), {
    issuer,
    module: KeyPair.generate("module"),
    name: "echo",
    capabilities: ["wasmcloud:keyvalue"],
  });
  const [module, unsigned, again] = await Promise.allSettled([
    loader.load(signed, { origin: "echo.wasm", trust: { issuers: [issuer.publicKey] } }),
    loader.load(assemble(echoText), { origin: "unsigned.wasm" }),
    loader.load(assemble(echoText), { origin: "own.wasm", trust: { development: KeyPair.generate("account") } }),
  ]);
  assert.equal(unsigned.status === "rejected" && (unsigned.reason as { code?: string }).code, "MODULE_UNSIGNED");
  assert.ok(module.status === "fulfilled" && again.status === "fulfilled");
  assert.equal(module.value.claims.name, "echo");
  assert.equal(again.value.signedForDevelopment, true);
  await using world = startWorld();
  assert.equal(textOf(await world.pool(module.value).call("Op", "posted")), "posted");
});

void test("a loader rehearses with an actor that passes every check, and loads what comes meanwhile", async () => {
  const round = rehearsal();
  let rounds = 1;
  while (round()) rounds++;
  assert.ok(rounds > 1);
  assert.equal(round(), false);

  await using loader = new Loader();
  loader.rehearse();
  const options = { origin: "own.wasm", trust: { development: KeyPair.generate("account") } };
  const load = () => loader.load(assemble(echoText), options);
  assert.deepEqual(
    (await Promise.all([load(), load()])).map(({ claims }) => claims.name),
    ["own", "own"],
  );
});

void test("a module's bytes stay the caller's when they are loaded", async () => {
  await using loader = new Loader();
  const bytes = Buffer.from(assemble(echoText));
  await loader.load(bytes, { origin: "own.wasm", trust: { development: KeyPair.generate("account") } });
  assert.deepEqual(bytes, Buffer.from(assemble(echoText)));
});

void test("a loader that stops fails what is on its way", async () => {
  const loader = new Loader();
  const load = loader.load(assemble(echoText), { origin: "late.wasm" });
  await Promise.all([assert.rejects(load, { code: "STOPPED" }), loader.stop()]);
  await assert.rejects(loader.load(assemble(echoText), { origin: "later.wasm" }), { code: "STOPPED" });
});
