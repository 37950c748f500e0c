/** Providers that change under load: nobody who calls notices, nothing is lost or counted twice. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import {
  type ActorHandle,
  type Host,
  memoryKeyvalue,
  type Provider,
  type ProviderCall,
  startHost,
  type SwapOptions,
} from "../../index.ts";
import { Counting } from "../support/counting.ts";
import { askHost, edgeActor } from "../support/edge.ts";
import { fileBytes } from "../support/actors.ts";
import { freePort } from "../support/free-port.ts";
import { Requests, statusOf } from "../support/http-load.ts";
import { codeOf } from "../support/journey.ts";
import { until } from "../support/until.ts";

const echoFile = fileURLToPath(new URL("../../actors/examples/echo-rust/echo.wasm", import.meta.url));

const unruly = fileURLToPath(new URL("../support/unruly-middleware.ts", import.meta.url));

const ways = [
  { way: "in the caller's thread", engines: 0 },
  { way: "from two engines", engines: 2 },
];

async function countingActors(host: Host, provider: string, many = 3): Promise<ActorHandle[]> {
  const handle = await host.startProvider(provider);
  const actors: ActorHandle[] = [];
  for (let at = 0; at < many; at++) {
    const actor = await host.startActor(edgeActor({ name: `counter ${at}` }));
    await host.link(actor, handle);
    actors.push(actor);
  }
  return actors;
}

for (const { way, engines } of ways) {
  test(`the count goes on from store to store, exact to the last call (${way})`, async () => {
    await using host = await startHost({ engines });
    const actors = await countingActors(host, "builtin:keyvalue-memory");
    const counting = new Counting(host, { actors, callers: 8, keys: 20 });
    const options: SwapOptions = { copyState: true, trialMs: 30 };
    for (let swap = 1; swap <= 10; swap++) {
      const before = counting.done;
      await until(() => counting.done > before + 200);
      const outcome = await host.swapProvider("keyvalue", "memory", options);
      assert.deepEqual([outcome.outcome, outcome.lost, outcome.keysCopied], ["swapped", 0, 20]);
    }
    await counting.stop();
    assert.deepEqual([counting.errors, counting.wrong], [0, []]);
    assert.deepEqual(await counting.differences(), []);
    assert.equal(host.events.recent().filter(({ type }) => type === "swapped").length, 10);
  });

  test(`a store that fails its trial gives back what it was given (${way})`, async () => {
    await using host = await startHost({ engines });
    const actors = await countingActors(host, "builtin:keyvalue-memory");
    const counting = new Counting(host, { actors, callers: 4, keys: 5 });
    await until(() => counting.done > 200);
    const ill = illAfter(300);
    const { outcome, reason } = await host.swapProvider("keyvalue", ill, { copyState: true, trialMs: 60_000 });
    assert.deepEqual([outcome, reason], ["returned", "the disk is full"]);
    const since = counting.done;
    await until(() => counting.done > since + 200);
    await counting.stop();
    assert.equal(counting.errors, 0);
    assert.deepEqual(await counting.differences(), []);
  });
}

/** A store that works and says after so many calls that it is ill. */
function illAfter(calls: number): Provider {
  let asked = 0;
  const store = memoryKeyvalue();
  const handle = store.handle.bind(store);
  return Object.assign(store, {
    name: "a store with a bad disk",
    handle: (call: ProviderCall) => {
      asked++;
      return handle(call);
    },
    health: () => ({ healthy: asked < calls, message: "the disk is full" }),
  });
}

for (const { way, engines } of ways) {
  test(`the HTTP server changes limits and ports, and no connection is cut (${way})`, async () => {
    await using host = await startHost({ engines });
    const server = await host.startProvider("builtin:httpserver");
    const echo = await host.startActor(await host.load(fileBytes(echoFile), "echo"));
    const { urls } = await host.link(echo, server, { values: { address: `127.0.0.1:${await freePort()}` } });
    const url = urls[0]!;
    const other = `127.0.0.1:${await freePort()}`;
    const loads = [new Requests(url, false), new Requests(url, true)];
    const busy = async () => {
      const before = loads.map(({ answered }) => answered);
      await until(() => loads.every(({ answered }, at) => answered > before[at]! + 50));
    };
    for (let round = 0; round < 4; round++) {
      await busy();
      await host.swapProvider(server, "builtin:httpserver", {
        config: round % 2 === 0 ? { body_bytes: "10", also: other } : { body_bytes: "1000", also: "" },
        trialMs: 20,
      });
      await busy();
      assert.equal(await statusOf(url, "x".repeat(100)), round % 2 === 0 ? 413 : 200);
      if (round % 2 === 0) assert.equal(await statusOf(`http://${other}/`, "x"), 200);
      else await assert.rejects(statusOf(`http://${other}/`, "x"), /fetch failed/);
    }
    const ends = await Promise.all(loads.map((load) => load.stop()));
    assert.deepEqual(ends, [[], []]);
  });
}

test("engines that die while providers swap come back with the provider of now", async () => {
  await using host = await startHost({ engines: 2, middleware: [unruly], logLevel: "silent" });
  const actor = await host.startActor(edgeActor({ name: "caller" }));
  const named = (name: string): Provider => ({
    contractId: "wasmcloud:keyvalue",
    name,
    handle: () => new TextEncoder().encode(name),
  });
  const handle = await host.startProvider(named("0"));
  await host.link(actor, handle);
  const get = askHost("wasmcloud:keyvalue");
  const ask = async () => Buffer.from(await host.call(actor, "Call", get)).toString();
  const odd: string[] = [];
  let over = false;
  const asking = Promise.all(
    Array.from({ length: 6 }, async () => {
      while (!over) {
        const answer = await ask().catch((error: { code?: string }) => error.code ?? "no code");
        if (!/^\d+$|^ENGINE_LOST$|engine .* was lost/.test(answer)) odd.push(answer);
        await new Promise((resolve) => setImmediate(resolve));
      }
    }),
  );
  let swapped = 0;
  try {
    for (let round = 1; round <= 4; round++) {
      const dying = host.call(actor, "test.Exit", new Uint8Array()).catch(() => {});
      // An engine that dies before the switch may end the swap: then nothing has changed.
      const refused = await codeOf(host.swapProvider(handle, named(String(round)), { trialMs: (round % 2) * 50 }));
      await dying;
      if (refused === undefined) swapped = round;
      else assert.ok(["ENGINE_LOST", "SWAP_REFUSED"].includes(refused), refused);
      await until(async () => (await host.fleet.stats()).length === 3);
      const answers = await Promise.all(Array.from({ length: 10 }, ask));
      assert.deepEqual(new Set(answers), new Set([String(swapped)]));
    }
  } finally {
    over = true;
  }
  await asking;
  assert.deepEqual(odd, []);
  assert.equal(host.wanted.providers.size, 1);
});
