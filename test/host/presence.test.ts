import assert from "node:assert/strict";
import { test } from "node:test";
import { startHost } from "../../host/index.ts";
import { KeyPair, memoryConnection, MemoryServer } from "../../lattice/index.ts";
import { until } from "../support/until.ts";

test("a host whose own thread was held up misses nobody for the time in which it could hear nothing", async () => {
  const server = new MemoryServer();
  const clusterSeed = KeyPair.generate("cluster").seed;
  const join = () =>
    startHost({ connection: memoryConnection(server), clusterSeed, presenceMs: 200, logLevel: "silent" });
  await using here = await join();
  await using there = await join();
  await until(() => here.member!.peers.length === 1 && there.member!.peers.length === 1);
  const left: unknown[] = [];
  here.events.subscribe(({ type, data }) => void (type === "host_left" && left.push(data)));
  for (let round = 0; round < 3; round++) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 800);
    // It has looked for silent hosts since.
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.deepEqual(left, []);
  await there.stop();
  await until(() => left.length === 1);
});
