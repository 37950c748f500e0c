/** Secrets in the settings of providers: references that are resolved where the provider runs. */
import assert from "node:assert/strict";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Redis } from "ioredis";
import { ActorModule } from "../../actors/index.ts";
import type { Provider } from "../../capabilities/index.ts";
import { findVerb, type Host, providerOfEntry, startHost, verbsOf } from "../../host/index.ts";
import { askHost, edgeActor } from "../support/edge.ts";
import { example } from "../support/examples.ts";
import { StoreServer, skipWithout } from "../support/store-servers.ts";
import { until } from "../support/until.ts";

const folder = mkdtempSync(join(tmpdir(), "provider-secrets-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const options = { secrets: { folders: [folder] }, limits: { secretsMs: 50 } } as const;
const patient = 60_000;

/** As an orchestrator does it: the file is replaced in one step. */
function keep(name: string, text: string): void {
  writeFileSync(join(folder, `${name}.new`), text);
  renameSync(join(folder, `${name}.new`), join(folder, name));
}

/** All that a host shows of itself, as one text. */
async function shown(host: Host): Promise<string> {
  const verbs = verbsOf(host);
  const { signal } = new AbortController();
  const names = ["get.links", "get.inventory", "get.providers", "get.events"];
  const answers = await Promise.all(names.map(async (name) => findVerb(verbs, name).run({}, { signal })));
  return JSON.stringify([answers, host.swaps.records, [...host.wanted.providers.values()].map(({ spec }) => spec)]);
}

for (const engines of [0, 2]) {
  test(
    `a swap to a store names its password by reference, and a rotated one takes over under calls; engines: ${engines}`,
    { skip: skipWithout("redis-server") },
    async () => {
      await using server = await StoreServer.start("redis-server", ["--requirepass", "hunter2-first"]);
      const direct = new Redis(server.port, "127.0.0.1", { password: "hunter2-first" });
      direct.on("error", () => undefined);
      after(() => direct.disconnect());
      const name = `redis-${engines}`;
      keep(name, "hunter2-first\n");
      await using host = await startHost({ ...options, engines });
      const counter = await host.startActor(await ActorModule.fromFile(example("kvcounter-rust")));
      const store = await host.startProvider("builtin:keyvalue-memory");
      await host.link(counter, store);
      const web = await host.startProvider("builtin:httpserver");
      const { urls } = await host.link(counter, web, { values: { address: "127.0.0.1:0" } });
      const url = `redis://:\${secret:file:${name}}@127.0.0.1:${server.port}`;
      const { outcome } = await host.swapProvider(store, url, { trialMs: 0 });
      assert.equal(outcome, "swapped");

      let calls = 0;
      const wrong: string[] = [];
      const counts = new Set<number>();
      let over = false;
      const callers = Array.from({ length: 8 }, async () => {
        while (!over) {
          const response = await fetch(`${urls[0]}/tea`);
          const text = await response.text();
          if (response.status === 200) counts.add((JSON.parse(text) as { counter: number }).counter);
          else wrong.push(text);
          calls++;
        }
      });
      const atLeast = async (more: number) => {
        const target = calls + more;
        await until(() => calls >= target, patient);
      };
      await atLeast(50);
      await direct.config("SET", "requirepass", "hunter2-second");
      keep(name, "hunter2-second");
      const restarts = () => host.events.recent().filter(({ type }) => type.endsWith("provider_restarted"));
      await until(() => restarts().length === Math.max(1, engines), patient);
      await atLeast(50);
      over = true;
      await Promise.all(callers);
      assert.deepEqual(wrong, []);
      assert.deepEqual([counts.size, Math.max(...counts)], [calls, calls], "each was counted once");

      assert.doesNotMatch(await shown(host), /hunter2/);
      assert.match(await shown(host), new RegExp(`secret:file:${name}`));
    },
  );
}

const greeting = `
  export default ({ mark }) => {
    let config = {};
    return {
      contractId: "wasmcloud:keyvalue",
      name: "greeter",
      restartable: true,
      start: (context) => void (config = context.config),
      handle: () => Buffer.from(mark + " " + config.mark),
    };
  };`;

test("a module of the host file is given what its references mean, in a process of its own again when that changes", async () => {
  const path = join(folder, "greeting.mjs");
  writeFileSync(path, greeting);
  keep("mark", "4711-first");
  await using host = await startHost(options);
  const config = { mark: "secret:file:mark" };
  const actor = await host.startActor(edgeActor());
  const made = await providerOfEntry({ path, process: "child" }, await host.withSecrets(config));
  const provider = await host.startProvider(made, { config });
  await host.link(actor, provider);
  const ask = async () => Buffer.from(await host.call(actor, "Call", askHost("wasmcloud:keyvalue"))).toString();
  assert.equal(await ask(), "4711-first 4711-first");
  keep("mark", "4711-second");
  const answers = new Set<string>();
  await until(async () => {
    const answer = await ask();
    answers.add(answer);
    return answer === "4711-second 4711-second";
  }, patient);
  assert.deepEqual([...answers], ["4711-first 4711-first", "4711-second 4711-second"], "no call was lost between");
  assert.doesNotMatch(await shown(host), /4711/);
});

test("an object that cannot be restarted keeps what it has, and a secret that cannot be read starts nothing", async () => {
  keep("pin", "4711-first");
  keep("url", "http://4711");
  const seen: unknown[] = [];
  const object = (more: Partial<Provider> = {}): Provider => ({
    contractId: "wasmcloud:keyvalue",
    name: "object",
    start: ({ config }) => void seen.push(config["pin"]),
    handle: () => new Uint8Array(0),
    ...more,
  });
  await using host = await startHost(options);
  await host.startProvider(object(), { config: { pin: "secret:file:pin" } });
  await host.startProvider(object({ restartable: true }), {
    linkName: "other",
    config: { pin: "pin ${secret:file:pin}" },
  });
  assert.deepEqual(seen.splice(0), ["4711-first", "pin 4711-first"]);
  keep("pin", "4711-second");
  await until(() => seen.length > 0, patient);
  assert.deepEqual(seen, ["pin 4711-second"]);

  await assert.rejects(host.startProvider(object(), { linkName: "x", config: { pin: "secret:file:none" } }), {
    code: "SECRET_UNAVAILABLE",
    message: /file:none is not there/,
  });
  await assert.rejects(
    host.startProvider("builtin:keyvalue-redis", { config: { url: "secret:file:url" } }),
    (error) => {
      assert.ok(error instanceof Error);
      assert.doesNotMatch(error.message, /4711/);
      return true;
    },
  );
  const failing = object({
    start: ({ config }) => {
      throw new Error(`${config["pin"]} is no pin`);
    },
  });
  await assert.rejects(host.startProvider(failing, { linkName: "y", config: { pin: "secret:file:pin" } }), {
    message: /secret:file:pin is no pin/,
  });
  assert.doesNotMatch(await shown(host), /4711/);
});
