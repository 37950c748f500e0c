import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { startHost, type HostOptions } from "../../host/index.ts";
import { MemoryOfHost } from "../../host/memory-of-host.ts";
import { KeyPair, memoryConnection, MemoryServer } from "../../lattice/index.ts";
import { obedient } from "../support/actors.ts";
import { ask, start } from "../support/journey.ts";
import { until } from "../support/until.ts";

class Folder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), "lattice-memory-"));
  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

for (const [where, joined] of [
  ["that stands alone", false],
  ["of a lattice", true],
] as const) {
  void test(`a host ${where} comes back under its key with what it ran, its links and its scale`, async () => {
    using folder = new Folder();
    const server = new MemoryServer();
    const hostSeed = KeyPair.generate("server").seed;
    const options = (): HostOptions => ({
      hostSeed,
      stateDirectory: folder.path,
      remember: true,
      logLevel: "error",
      ...(joined ? { connection: memoryConnection(server) } : {}),
    });
    const module = KeyPair.generate("module");
    const first = await startHost(options());
    const actor = await start(first, obedient({ name: "Echo", module, capabilities: ["wasmcloud:keyvalue"] }), {
      instances: 2,
      annotations: { a: "b" },
      reference: "gone.example/echo:1",
    });
    await start(first, obedient({ name: "Managed" }), { annotations: { "wasmcloud.dev/managed-by": "wadm" } });
    const store = await first.startProvider("builtin:keyvalue-memory", { linkName: "left" });
    await first.link(actor, store);
    await first.scale(actor, 3);
    await first.stop();

    const second = await startHost(options());
    const [record, ...others] = [...second.wanted.placements.values()];
    assert.equal(others.length, 0, "what a manager owns waits for it");
    assert.equal(record!.spec.module.key, module.publicKey);
    assert.deepEqual(
      [record!.spec.limits.instances, record!.annotations, record!.reference],
      [3, { a: "b" }, "gone.example/echo:1"],
    );
    assert.deepEqual(
      [...second.wanted.providers.values()].map(({ spec }) => [spec.key, spec.linkName]),
      [[store.id, "left"]],
    );
    assert.equal([...second.wanted.links.values()][0]?.spec.providerId, [...second.wanted.providers.keys()][0]);
    assert.equal(await ask(second, "Echo", "Echo", "back"), "back");
    await second.stopActor("Echo");
    await second.stop();

    await using third = await startHost(options());
    assert.equal(third.wanted.placements.size, 0, "what was stopped stays stopped");
  });
}

void test("what is changed before a host has come back makes it forget nothing", async () => {
  using folder = new Folder();
  const hostSeed = KeyPair.generate("server").seed;
  const options: HostOptions = { hostSeed, stateDirectory: folder.path, logLevel: "error" };
  const first = await startHost({ ...options, remember: true });
  await start(first, obedient({ name: "Echo" }));
  await first.stop();

  await using second = await startHost(options);
  const early = await MemoryOfHost.open(second);
  await start(second, obedient({ name: "Early" }));
  await early.close();
  const memory = await MemoryOfHost.open(second);
  await memory.restore(true);
  await memory.close();
  assert.equal(await ask(second, "Echo", "Echo", "back"), "back");
});

void test("what cannot come back stays wanted, and comes as soon as it can", async () => {
  using folder = new Folder();
  const hostSeed = KeyPair.generate("server").seed;
  const options: HostOptions = { hostSeed, stateDirectory: folder.path, remember: true, logLevel: "silent" };
  const first = await startHost(options);
  await start(first, obedient({ name: "Echo" }), { reference: "./nowhere.wasm" });
  await first.stop();
  const [kept = ""] = readdirSync(join(folder.path, "modules"));
  renameSync(join(folder.path, "modules", kept), join(folder.path, kept));

  const second = await startHost(options);
  await start(second, obedient({ name: "Other" }));
  await second.stop();

  await using third = await startHost(options);
  const names = () => [...third.wanted.placements.values()].map(({ spec }) => spec.module.claims.name);
  assert.deepEqual(names(), ["Other"]);
  renameSync(join(folder.path, kept), join(folder.path, "modules", kept));
  await until(() => names().includes("Echo"));
  assert.equal(await ask(third, "Echo", "Echo", "back"), "back");
});

void test("without a key of its own a host cannot be asked to remember", async () => {
  await assert.rejects(startHost({ remember: true }), { code: "OPTION_OUT_OF_RANGE" });
});
