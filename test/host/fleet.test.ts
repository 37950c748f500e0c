import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { setTimeout as nextTurn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { startHost } from "../../host/index.ts";
import { example } from "../support/examples.ts";
import { until } from "../support/until.ts";

const unruly = fileURLToPath(new URL("../support/unruly-middleware.ts", import.meta.url));
const nothing = new Uint8Array();

test("an engine on its way misses nothing that is changed meanwhile", async () => {
  await using host = await startHost({ engines: 1, middleware: [unruly], logLevel: "silent" });
  const [counterFile, echoFile] = [example("kvcounter-rust"), example("echo-rust")];
  const counter = await host.startActor(await host.load(await readFile(counterFile), counterFile));
  const echo = await host.load(await readFile(echoFile), echoFile);
  await assert.rejects(host.call(counter, "test.Exit", nothing), { code: "ENGINE_LOST" });
  // No engine runs now; what is asked of the host all the same must stand in the next one.
  assert.equal((await host.fleet.stats()).length, 1);
  const engine = async () => (await host.fleet.stats()).find(({ place }) => place === 0);
  await host.stopActor(counter);
  for (let round = 0; round < 1_000 && !(await engine()); round++) {
    const started = await host.startActor(echo, { annotations: { round: String(round) } });
    await nextTurn(4);
    if (round % 2 === 1) await host.stopActor(started);
  }
  const running = (await until(engine)).placements.map(({ id }) => id);
  assert.deepEqual(new Set(running), new Set(host.wanted.placements.keys()));
  assert.ok(running.length > 0 && running.length === host.wanted.placements.size);
});
