import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ActorModule, type Host, inventory, startHost } from "../../index.ts";
import { example } from "../support/examples.ts";
import { NatsServer, natsSkip } from "../support/nats-server.ts";
import { StoreServer, skipWithout } from "../support/store-servers.ts";
import { until } from "../support/until.ts";

async function counterOn(host: Host, reference: string, config: Record<string, string>): Promise<string> {
  const counter = await host.startActor(await ActorModule.fromFile(example("kvcounter-rust")));
  const web = await host.startProvider("builtin:httpserver");
  const store = await host.startProvider(reference, { config });
  await host.link(counter, store);
  const { urls } = await host.link(counter, web, { values: { address: "127.0.0.1:0" } });
  return urls[0]!;
}

async function count(url: string): Promise<number> {
  const response = await fetch(`${url}/tea`);
  const text = await response.text();
  assert.equal(response.status, 200, text);
  return (JSON.parse(text) as { counter: number }).counter;
}

/** Hosts of two engines one after the other count on where the last one ended. */
async function countsOn(reference: string, config: Record<string, string>): Promise<void> {
  for (const first of [1, 11]) {
    await using host = await startHost({ engines: 2 });
    const url = await counterOn(host, reference, config);
    const counts = await Promise.all(Array.from({ length: 10 }, () => count(url)));
    assert.deepEqual(
      counts.toSorted((a, b) => a - b),
      counts.map((_, at) => first + at),
    );
  }
}

test("a counter in SQLite goes on where the last host ended", async () => {
  const folder = mkdtempSync(join(tmpdir(), "lattice-counter-"));
  await countsOn("builtin:keyvalue-sqlite", { path: join(folder, "counter.db") });
  rmSync(folder, { recursive: true });
});

test("a counter in NATS goes on where the last host ended", { skip: natsSkip() }, async () => {
  await using server = await NatsServer.start();
  await countsOn("builtin:keyvalue-nats", { url: server.url });
});

test(
  "a counter in Redis goes on where the last host ended; while Redis is away the host says so",
  {
    skip: skipWithout("redis-server"),
  },
  async () => {
    await using server = await StoreServer.start("redis-server", ["--requirepass", "hunter2"]);
    const config = { url: `redis://:hunter2@127.0.0.1:${server.port}` };
    await countsOn("builtin:keyvalue-redis", config);

    await using host = await startHost();
    const url = await counterOn(host, "builtin:keyvalue-redis", config);
    assert.equal(await count(url), 21);
    const row = async () => {
      const { providers } = await inventory(host);
      return providers.find(({ image_ref: reference }) => reference === "builtin:keyvalue-redis");
    };
    await server.kill();
    await until(async () => (await row())?.healthy === false, 10_000);
    const told = JSON.stringify(await inventory(host));
    assert.match(told, /Redis at 127\.0\.0\.1:\d+ is unavailable/);
    assert.doesNotMatch(told, /hunter2/);
    const failed = await fetch(`${url}/tea`, { headers: { accept: "application/json" } });
    assert.ok(failed.status >= 500, String(failed.status));
    assert.doesNotMatch(await failed.text(), /hunter2/);
    await server.start();
    await until(async () => (await fetch(`${url}/tea`)).status === 200, 10_000);
    await until(async () => (await row())?.healthy === true, 10_000);
  },
);
