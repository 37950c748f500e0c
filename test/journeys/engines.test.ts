import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { Agent, request } from "node:http";
import { isLatticeError, startHost, type Host } from "../../index.ts";
import { obedient } from "../support/actors.ts";
import { example } from "../support/examples.ts";
import { freePort } from "../support/free-port.ts";
import { ask, codeOf, start } from "../support/journey.ts";
import { until } from "../support/until.ts";

const unruly = fileURLToPath(new URL("../support/unruly-middleware.ts", import.meta.url));
const nothing = new Uint8Array();

async function counterHost(options: Parameters<typeof startHost>[0]): Promise<{ host: Host; url: string }> {
  const host = await startHost(options);
  try {
    const file = example("kvcounter-rust");
    const counter = await host.startActor(await host.load(await readFile(file), file));
    const web = await host.startProvider("builtin:httpserver");
    // An engine that takes the place of another opens the same: a port that nobody else is given meanwhile.
    const { urls } = await host.link(counter, web, { values: { port: String(await freePort()) } });
    await host.link(counter, await host.startProvider("builtin:keyvalue-memory"));
    return { host, url: urls[0]! };
  } catch (error) {
    // No test is left waiting for a host that nobody stops.
    await host.stop();
    throw error;
  }
}

/** One request on a connection of its own, so that the kernel picks an engine each time. */
function get(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    request(url, { agent: new Agent({ keepAlive: false }) }, (response) => {
      let text = "";
      response
        .setEncoding("utf8")
        .on("data", (part: string) => (text += part))
        .on("end", () => resolve(text));
    })
      .on("error", reject)
      .end();
  });
}

test("several engines share one port and one store", async () => {
  const { host, url } = await counterHost({ engines: 2 });
  await using _ = host;
  const answers = await Promise.all(Array.from({ length: 40 }, () => get(url)));
  const counts = answers.map((answer) => (JSON.parse(answer) as { counter: number }).counter).toSorted((a, b) => a - b);
  assert.deepEqual(
    counts,
    Array.from({ length: 40 }, (_each, index) => index + 1),
  );
  await until(
    async () =>
      (await host.fleet.stats()).filter(({ placements }) => placements.some(({ calls }) => calls > 0)).length === 2,
  );
});

for (const [how, operation] of [
  ["falls silent", "test.Spin"],
  ["dies", "test.Exit"],
] as const) {
  test(`an engine that ${how} is replaced and its placements are restored`, async () => {
    const { host, url } = await counterHost({ engines: 1, middleware: [unruly], limits: { engineSilenceMs: 3_000 } });
    await using _ = host;
    assert.match(await get(url), /"counter":1/);
    await assert.rejects(
      host.call("examples/kvcounter", operation, nothing),
      (error) => isLatticeError(error) && error.code === "ENGINE_LOST" && error.kind === "unavailable",
    );
    // The in-memory store lived in that engine: it begins again, under the same port.
    await until(async () => /"counter":\d/.test(await get(url).catch(() => "")));
    assert.equal(host.fleet.restarts.get(0), 1);
    assert.ok(host.events.recent().some(({ type }) => type.includes("engine")));
  });
}

test("a promise that is rejected where nobody waits for it ends no engine", async () => {
  const { host, url } = await counterHost({ engines: 1, middleware: [unruly], logLevel: "silent" });
  await using _ = host;
  assert.match(await get(url), /"counter":1/);
  await host.call("examples/kvcounter", "test.Reject", nothing).catch(() => {});
  assert.match(await get(url), /"counter":2/, "its store is still there");
  assert.equal(host.fleet.restarts.size, 0);
});

test("an engine of several that dies takes nothing of the others with it", async () => {
  const { host, url } = await counterHost({ engines: 2, middleware: [unruly] });
  await using _ = host;
  await assert.rejects(host.call("examples/kvcounter", "test.Exit", nothing));
  await until(async () => host.fleet.restarts.size === 1 && (await host.fleet.stats()).length === 3);
  const answers = await Promise.all(Array.from({ length: 20 }, () => get(url)));
  assert.ok(answers.every((answer) => answer.includes("counter")));
});

test("the instances of an engine that died are counted no more", async () => {
  await using host = await startHost({ engines: 1, middleware: [unruly], limits: { instancesPerProcess: 3 } });
  const actors = await Promise.all(["first", "second"].map((name) => start(host, obedient({ name }))));
  for (let round = 1; round <= 3; round++) {
    assert.equal(await codeOf(host.call(actors[0]!, "test.Exit", nothing)), "ENGINE_LOST");
    for (const actor of actors) {
      await until(async () => (await codeOf(host.call(actor, "Echo", nothing))) === undefined);
    }
  }
  const third = await start(host, obedient({ name: "third" }));
  assert.equal(await codeOf(start(host, obedient({ name: "fourth" }))), "INSTANCE_LIMIT");
  assert.equal(await ask(host, third, "Echo", "room for one more"), "room for one more");
});
