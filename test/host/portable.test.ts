import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { ActorModule, type Host, KeyPair, startHost } from "../../index.ts";
import { calling, obedient, signed } from "../support/actors.ts";
import { assemble, guestText } from "../support/guests.ts";
import { ask, codeOf, Gate } from "../support/journey.ts";
import { until } from "../support/until.ts";

const unruly = fileURLToPath(new URL("../support/unruly-middleware.ts", import.meta.url));
const key = KeyPair.generate("module");

/** By the first letter: `Bind...` and `Remove...` count, `Count` answers how many are bound, `Hold` asks key-value and answers. */
const text = guestText(`
  (global $bound (mut i32) (i32.const 48))
  (data (i32.const 0) "defaultwasmcloud:keyvalueGetunknown operation")
  (func (export "__guest_call") (param i32 i32) (result i32)
    (local $first i32)
    (call $request (i32.const 1024) (i32.const 4096))
    (local.set $first (i32.load8_u (i32.const 1024)))
    (if (i32.eq (local.get $first) (i32.const 71)) (then (call $fail (i32.const 28) (i32.const 17)) (return (i32.const 0))))
    (if (i32.eq (local.get $first) (i32.const 66)) (then (global.set $bound (i32.add (global.get $bound) (i32.const 1)))))
    (if (i32.eq (local.get $first) (i32.const 82)) (then (global.set $bound (i32.sub (global.get $bound) (i32.const 1)))))
    (if (i32.eq (local.get $first) (i32.const 72)) (then
      (drop (call $host_call
        (i32.const 0) (i32.const 7) (i32.const 7) (i32.const 18) (i32.const 25) (i32.const 3) (i32.const 4096) (i32.const 0)))))
    (i32.store8 (i32.const 512) (global.get $bound))
    (call $respond (i32.const 512) (i32.const 1))
    (i32.const 1))`);
const bytes = assemble(text);
const store = (more: { revision?: number; expiresAt?: number } = {}) =>
  ActorModule.fromBytes(
    signed(bytes, {
      name: "store",
      module: key,
      portableProvider: true,
      capabilities: ["test:store", "wasmcloud:keyvalue"],
      ...more,
    }),
    { name: "store" },
  );

/** An actor linked to the portable provider, which itself waits at a gate when it holds. */
async function world(host: Host) {
  const gate = new Gate();
  const provider = await host.startActor(store());
  await host.link(provider, await host.startProvider(gate));
  const capabilities = ["test:store"];
  const actor = await host.startActor(
    ActorModule.fromBytes(obedient({ name: "actor", capabilities }), { name: "actor" }),
  );
  await host.link(actor, provider.id);
  const operation = (name: string, options: Parameters<Host["call"]>[3] = {}) =>
    ask(host, actor, "Call", calling("test:store", name), options);
  return { gate, provider, actor, operation };
}

test("calls that wait behind one that costs a portable provider its instance find the next one bound", async () => {
  await using host = await startHost();
  const { gate, operation } = await world(host);
  assert.equal(await operation("Count"), "1");
  const held = codeOf(operation("Hold", { timeoutMs: 50 }));
  await until(() => gate.held === 1);
  const waiting = Array.from({ length: 3 }, () => operation("Count"));
  assert.equal(await held, "DEADLINE_EXCEEDED");
  assert.deepEqual(await Promise.all(waiting), ["1", "1", "1"]);
});

test("a portable provider keeps to one instance, however it is called", async () => {
  await using host = await startHost();
  const { gate, provider, operation } = await world(host);
  const held = operation("Hold");
  await until(() => gate.held === 1);
  const other = await host.startActor(ActorModule.fromBytes(obedient({ name: "other" }), { name: "other" }));
  const direct = ask(host, other, "Call", calling(provider.id, "Count"));
  const figures = async () => (await host.fleet.stats())[0]!.placements.find(({ id }) => id === provider.placement)!;
  await until(async () => (await figures()).waiting === 1);
  assert.equal((await figures()).instances, 1);
  await assert.rejects(host.scale(provider, 2), { code: "OPTION_OUT_OF_RANGE" });
  gate.open();
  assert.deepEqual(await Promise.all([held, direct]), ["1", "1"]);
});

test("an updated portable provider is bound before it answers", async () => {
  await using host = await startHost();
  const { provider, operation } = await world(host);
  let updating = true;
  const answers = new Set<string>();
  const calls = Array.from({ length: 3 }, async () => {
    while (updating) answers.add(await operation("Count"));
  });
  for (const revision of [2, 3, 4]) await host.updateActor(provider, store({ revision }));
  updating = false;
  await Promise.all(calls);
  assert.deepEqual(answers, new Set(["1"]));
});

test("a portable provider is swapped neither out nor in: each way is refused with what to do instead", async () => {
  await using host = await startHost({ logLevel: "silent" });
  const { gate, provider, operation } = await world(host);
  const refused = { code: "SWAP_REFUSED", message: /portable provider.*lattice update replaces it/ };
  await assert.rejects(host.swapProvider(provider.id, "memory"), refused);
  await assert.rejects(
    host.swapProvider(provider.id, Object.assign(new Gate(), { contractId: "test:store" })),
    refused,
  );
  await assert.rejects(host.swapProvider(provider.id, undefined, { toHost: "elsewhere" }), refused);
  const isModule = { code: "PROVIDER_IS_MODULE", hint: /lattice start actor/ };
  await assert.rejects(host.swapProvider(gate.contractId, provider.id), isModule);
  await assert.rejects(host.swapProvider(gate.contractId, "./store.wasm"), isModule);
  await assert.rejects(host.startProvider("./store.wasm"), isModule);
  assert.equal(await operation("Count"), "1");
});

test("a portable provider whose engine is replaced is bound again", async () => {
  await using host = await startHost({ engines: 1, middleware: [unruly], logLevel: "silent" });
  const { actor, operation } = await world(host);
  assert.equal(await codeOf(host.call(actor, "test.Exit", Buffer.from(""))), "ENGINE_LOST");
  assert.equal(await until(() => operation("Count").catch(() => "")), "1");
});

test("a portable provider whose token has run out provides nothing any more", async () => {
  await using host = await startHost({ logLevel: "silent" });
  const expiresAt = Math.floor(Date.now() / 1_000) + 2;
  const provider = await host.startActor(store({ expiresAt }));
  const capabilities = ["test:store"];
  const actor = await host.startActor(
    ActorModule.fromBytes(obedient({ name: "actor", capabilities }), { name: "actor" }),
  );
  await host.link(actor, provider.id);
  assert.equal(await ask(host, actor, "Call", calling("test:store", "Count")), "1");
  await until(async () => /^error: .*expired/.test(await ask(host, actor, "Call", calling("test:store", "Count"))));
});
