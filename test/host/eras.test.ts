import assert from "node:assert/strict";
import { test } from "node:test";
import { ActorModule, KeyPair, startHost } from "../../index.ts";
import { signed } from "../support/actors.ts";
import { guestBytes } from "../support/guest-corpus.ts";
import { until } from "../support/until.ts";

const module = KeyPair.generate("module");
const names = {
  e2: ["wascc:keyvalue", "wascc:http_server"],
  e4: ["wasmcloud:keyvalue", "wasmcloud:httpserver"],
} as const;

/** The same actor, built by SDKs of different years. */
function counter(guest: keyof typeof names): ActorModule {
  const bytes = signed(guestBytes(guest), { name: "counter", module, capabilities: names[guest] });
  return ActorModule.fromBytes(bytes, { name: "counter" });
}

async function world(engines: number, web = "wasmcloud:httpserver") {
  const host = await startHost({ engines });
  const first = await host.startActor(counter("e2"));
  await host.link(first, await host.startProvider("wasmcloud:keyvalue"));
  const { urls } = await host.link(first, await host.startProvider(web), { values: { port: "0" } });
  const count = async (path = "/tea") => {
    const response = await fetch(`${urls[0]}${path}`);
    return response.status === 200 ? ((await response.json()) as { counter: number }).counter : response.status;
  };
  return { host, first, count };
}

for (const engines of [0, 2]) {
  test(`an actor that comes back in another era finds its links as it speaks now (${engines} engines)`, async () => {
    const { host, first, count } = await world(engines);
    await using _ = host;
    assert.equal(await count(), 1);
    await host.stopActor(first);
    assert.equal(await count(), 404);
    const second = await host.startActor(counter("e4"));
    assert.equal(await count(), 2);
    await host.updateActor(second, counter("e2"));
    assert.equal(await count(), 3);
  });

  test(`placements of one key may speak in different eras (${engines} engines)`, async () => {
    const { host, first, count } = await world(engines);
    await using _ = host;
    const second = await host.startActor(counter("e2"), { annotations: { n: "2" } });
    await host.updateActor(second, counter("e4"));
    for (let i = 1; i <= 5; i++) assert.equal(await count(), i);
    await host.stopActor(first);
    for (let i = 6; i <= 10; i++) assert.equal(await count(), i);
  });

  test(`an update to another era loses no request (${engines} engines)`, async () => {
    await updatedUnderLoad(await world(engines));
  });
}

async function updatedUnderLoad({ host, first, count }: Awaited<ReturnType<typeof world>>): Promise<void> {
  await using _ = host;
  let updating = true;
  const answers: number[] = [];
  const clients = Array.from({ length: 4 }, async () => {
    while (updating) answers.push(await count("/load"));
  });
  for (const guest of ["e4", "e2", "e4"] as const) {
    const before = answers.length;
    await host.updateActor(first, counter(guest));
    await until(() => answers.length > before + 8);
  }
  updating = false;
  await Promise.all(clients);
  assert.deepEqual(
    answers.toSorted((a, b) => a - b),
    Array.from({ length: answers.length }, (_each, i) => i + 1),
  );
}

test("an update to another era loses no request of an HTTP server in a process of its own", async () => {
  await updatedUnderLoad(await world(0, "child:wasmcloud:httpserver"));
});

test("an HTTP server in a process of its own hears of an actor that comes back, or is updated, in another era", async () => {
  const { host, first, count } = await world(0, "child:wasmcloud:httpserver");
  await using _ = host;
  assert.equal(await count(), 1);
  await host.stopActor(first);
  const second = await host.startActor(counter("e4"));
  assert.equal(await count(), 2);
  await host.updateActor(second, counter("e2"));
  assert.equal(await count(), 3);
});
