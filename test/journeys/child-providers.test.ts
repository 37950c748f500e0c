/** Providers in processes of their own, behind actors of a real host. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { type ActorHandle, childProvider, startHost } from "../../index.ts";
import { Counting } from "../support/counting.ts";
import { askHost, edgeActor } from "../support/edge.ts";
import { until } from "../support/until.ts";
import { isAlive, unrulyModule } from "../support/unruly-child.ts";

const memoryModule = fileURLToPath(new URL("../support/memory-store.ts", import.meta.url));
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

test("the count goes on from a store in this process to one in its own and back, exact to the last call", async () => {
  await using host = await startHost();
  const store = await host.startProvider("builtin:keyvalue-memory");
  const actors: ActorHandle[] = [];
  for (let at = 0; at < 3; at++) {
    const actor = await host.startActor(edgeActor({ name: `counter ${at}` }));
    await host.link(actor, store);
    actors.push(actor);
  }
  const counting = new Counting(host, { actors, callers: 8, keys: 700 });
  const options = { copyState: true, trialMs: 30 };
  for (let round = 0; round < 2; round++) {
    const child = await childProvider(memoryModule);
    const { pid } = child;
    const there = await host.swapProvider("keyvalue", child, options);
    assert.deepEqual([there.outcome, there.lost], ["swapped", 0]);
    assert.ok(isAlive(pid));
    const back = await host.swapProvider("keyvalue", "memory", options);
    assert.deepEqual([back.outcome, back.lost], ["swapped", 0]);
    assert.ok(back.keysCopied > 0);
    assert.ok(!isAlive(pid), "the process ends with its provider");
  }
  await counting.stop();
  assert.deepEqual([counting.errors, counting.wrong], [0, []]);
  assert.deepEqual(await counting.differences(), []);
});

test("one that dies answers its actors with its code, and the host stops what is left of the others", async () => {
  const pids: (number | undefined)[] = [];
  {
    await using host = await startHost();
    const actor = await host.startActor(edgeActor());
    for (const linkName of ["one", "two"]) {
      const child = await childProvider(unrulyModule);
      pids.push(child.pid);
      const handle = await host.startProvider(child, { linkName });
      await host.link(actor, handle, { linkName });
    }
    const ask = async (operation: string, payload: string, linkName: string) =>
      text(await host.call(actor, "Call", askHost("wasmcloud:keyvalue", operation, payload, linkName)));
    assert.equal(await ask("Echo", "hello", "one"), "hello");
    assert.match(await ask("Throw", "no luck", "one"), /unruly failed Throw: no luck/);
    assert.match(await ask("Exit", "1", "one"), /unruly is gone: it exited with code 1/);
    assert.equal(await ask("Echo", "hello", "two"), "hello");
    assert.ok(isAlive(pids[1]));
  }
  assert.ok(!pids.some(isAlive));
});

test("one that dies is brought back with its links, and its actors go on", async () => {
  await using host = await startHost();
  const actor = await host.startActor(edgeActor());
  const child = await childProvider(unrulyModule);
  await host.link(actor, await host.startProvider(child), { values: { url: "kept" } });
  const ask = async (operation: string, payload = "") =>
    text(await host.call(actor, "Call", askHost("wasmcloud:keyvalue", operation, payload)));
  const { pid } = child;
  assert.match(await ask("Exit", "1"), /is gone/);
  await until(async () => (await ask("Echo", "hello")) === "hello");
  assert.notEqual(child.pid, pid);
  assert.match(await ask("About"), /"values":\{"url":"kept"\}/);
});
