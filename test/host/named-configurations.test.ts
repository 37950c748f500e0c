import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Link, Provider } from "../../capabilities/index.ts";
import { type ActorHandle, type Host, startHost } from "../../host/index.ts";
import { verbsOf } from "../../host/verbs.ts";
import { configurationBucket, KeyPair } from "../../lattice/index.ts";
import { ControlLattice } from "../support/control-client.ts";
import { Counting } from "../support/counting.ts";
import { edgeActor } from "../support/edge.ts";
import { example } from "../support/examples.ts";
import { freePort } from "../support/free-port.ts";
import { NatsServer, natsTest } from "../support/nats-server.ts";
import { until } from "../support/until.ts";

/** A provider that keeps what it was told of its links. */
interface Listening extends Provider {
  readonly told: Link["values"][];
  /** Why it refuses. */
  says: string;
}

function listening(key?: string): Listening {
  const told: Link["values"][] = [];
  const provider: Listening = {
    says: "mode must not be wrong",
    contractId: "wasmcloud:keyvalue",
    name: "Listening store",
    ...(key === undefined ? {} : { key }),
    told,
    putLink: ({ values }) => {
      if (values.mode === "wrong") throw new Error(provider.says);
      told.push(values);
    },
    handle: () => new Uint8Array(),
  };
  return provider;
}

async function startCounter(host: Host): Promise<string> {
  const path = example("kvcounter-rust");
  return (await host.startActor(await host.load(new Uint8Array(readFileSync(path)), path))).id;
}

/** Asks a verb as the command line does. */
async function ask(host: Host, verb: string, params: object): Promise<Record<string, unknown>> {
  const signal = new AbortController().signal;
  return (await verbsOf(host)[verb]!.run(params, { signal })) as Record<string, unknown>;
}

test("a link takes effect with its configurations in order, then its own values, and follows each change once", async () => {
  await using host = await startHost({ logLevel: "silent" });
  const actor = await startCounter(host);
  const store = listening();
  const provider = await host.startProvider(store);
  await ask(host, "config.put", { name: "base", values: { a: "1", b: "1", c: "1" } });
  await ask(host, "config.put", { name: "over", values: { b: "2", c: "2" } });
  await host.link(actor, provider, { config: ["base", "over"], values: { c: "3" } });
  assert.deepEqual(store.told, [{ a: "1", b: "2", c: "3" }]);

  const { configuration } = await ask(host, "config.put", { name: "base", values: { a: "9" } });
  assert.equal((configuration as { links: unknown[] }).links.length, 1);
  assert.deepEqual(store.told.slice(1), [{ a: "9", b: "2", c: "3" }]);
  await ask(host, "config.put", { name: "base", values: { a: "9" } });
  await ask(host, "config.put", { name: "unused", values: { a: "10" } });
  assert.equal(store.told.length, 2, "the same values, or another configuration, are no change");
});

test("a configuration that is missing, in use or refused by a provider is said, and nothing changes", async () => {
  await using host = await startHost({ logLevel: "silent" });
  const actor = await startCounter(host);
  const store = listening();
  const provider = await host.startProvider(store);
  await assert.rejects(host.link(actor, provider, { config: ["absent"] }), {
    code: "LINK_VALUES_INVALID",
    message: /no configuration absent/,
  });
  await ask(host, "config.put", { name: "base", values: { mode: "right" } });
  await host.link(actor, provider, { config: ["base"] });
  await assert.rejects(ask(host, "config.del", { name: "base" }), { code: "CONFIGURATION_USED" });
  await assert.rejects(ask(host, "config.get", { name: "absent" }), { code: "CONFIGURATION_ABSENT" });
  await assert.rejects(ask(host, "config.put", { name: "a b", values: {} }), { code: "CONFIGURATION_INVALID" });
  const { problems } = await ask(host, "config.put", { name: "base", values: { mode: "wrong" } });
  assert.match(JSON.stringify(problems), /mode must not be wrong/);
  assert.deepEqual(host.fleet.linksOf(provider.instance)[0]?.values, { mode: "right" });
  assert.match(JSON.stringify(await ask(host, "link.query", {})), /"problem":"[^"]*mode must not be wrong/);
  store.says = "also wrong";
  const { problems: still } = await ask(host, "config.put", { name: "base", values: { mode: "wrong" } });
  assert.match(JSON.stringify(still), /also wrong/, "the same values again try a link that refused them");
  const { problems: none } = await ask(host, "config.put", { name: "base", values: { mode: "other" } });
  assert.deepEqual(none, []);
  assert.doesNotMatch(JSON.stringify(await ask(host, "link.query", {})), /problem/);
  await host.unlink(actor, "wasmcloud:keyvalue");
  await ask(host, "config.del", { name: "base" });
  assert.deepEqual(await ask(host, "config.list", {}), { configurations: [] });
});

test("a swap takes configurations along, and the new provider follows them", async () => {
  await using host = await startHost({ logLevel: "silent" });
  const actor = await startCounter(host);
  const [old, next] = [listening(), listening()];
  const provider = await host.startProvider(old);
  await host.configurations.put("base", { a: "1" });
  await host.link(actor, provider, { config: ["base"], values: { own: "yes" } });
  await host.swapProvider(provider, next, { trialMs: 0 });
  assert.deepEqual(next.told, [{ a: "1", own: "yes" }]);
  await host.configurations.put("base", { a: "2" });
  assert.deepEqual(next.told.slice(1), [{ a: "2", own: "yes" }]);
  assert.equal(old.told.length, 1);
});

test("a link of one placement follows its configurations too", async () => {
  await using host = await startHost({ logLevel: "silent" });
  const path = example("kvcounter-rust");
  const module = await host.load(new Uint8Array(readFileSync(path)), path);
  const actor = await host.startActor(module, { env: { GREETING: "hello" } });
  const store = listening();
  const provider = await host.startProvider(store);
  await host.configurations.put("base", { a: "1" });
  await host.link(actor, provider, { config: ["base"] });
  await host.configurations.put("base", { a: "2" });
  assert.deepEqual(store.told, [
    { GREETING: "hello", a: "1" },
    { GREETING: "hello", a: "2" },
  ]);
});

for (const engines of [0, 1])
  test(`no call is lost while configurations change under load (${engines} engines)`, async () => {
    await using host = await startHost({ engines, logLevel: "silent" });
    const actors: ActorHandle[] = [];
    const store = await host.startProvider("builtin:keyvalue-memory");
    await host.configurations.put("base", { note: "0" });
    for (const name of ["one", "two"]) {
      const actor = await host.startActor(edgeActor({ name }));
      await host.link(actor, store, { config: ["base"] });
      actors.push(actor);
    }
    const counting = new Counting(host, { actors, callers: 4, keys: 5 });
    for (let change = 1; change <= 20; change++) {
      const before = counting.done;
      await until(() => counting.done > before + 20);
      await host.configurations.put("base", { note: String(change) });
    }
    await counting.stop();
    assert.deepEqual([counting.errors, counting.wrong, await counting.differences()], [0, [], []]);
  });

test("references to secrets are shown, what sounds like a secret itself is not", async () => {
  await using host = await startHost({ logLevel: "silent" });
  const values = { password: "hush", token: "secret:env:X", url: "redis://:hush@db", size: "1" };
  await ask(host, "config.put", { name: "base", values });
  const { configuration } = await ask(host, "config.get", { name: "base" });
  assert.deepEqual((configuration as { values: object }).values, {
    password: "[redacted]",
    token: "secret:env:X",
    url: "redis://:[password]@db",
    size: "1",
  });
});

test("a host that comes back knows its configurations and the links that use them", async () => {
  const stateDirectory = mkdtempSync(join(tmpdir(), "lat-config-"));
  const hostSeed = KeyPair.generate("server").seed;
  const start = () => startHost({ logLevel: "silent", stateDirectory, hostSeed, remember: true });
  try {
    const first = await start();
    const actor = await startCounter(first);
    const provider = await first.startProvider("builtin:keyvalue-memory");
    await ask(first, "config.put", { name: "store", values: { prefix: "p:" } });
    await first.link(actor, provider, { config: ["store"] });
    await first.stop();
    await using again = await start();
    assert.deepEqual(again.configurations.get("store").values, { prefix: "p:" });
    assert.deepEqual([...again.wanted.links.values()][0]?.spec.config, ["store"]);
  } finally {
    rmSync(stateDirectory, { recursive: true, force: true });
  }
});

natsTest("configurations are the lattice's: changed at any host, taken up once where the provider runs", async () => {
  await using lattice = await ControlLattice.start();
  // Whoever looks at secrets puts links again at first sight.
  const limits = { secretsMs: 86_400_000 };
  const [front, back] = [await lattice.host({ limits }), await lattice.host({ limits })];
  const actor = await startCounter(front);
  const store = listening(KeyPair.generate("service").publicKey);
  const { id } = await back.startProvider(store);
  await until(() => front.member!.peers.some(({ providers }) => providers.length === 1));
  await ask(front, "config.put", { name: "store", values: { password: "secret:env:LATTICE_SECRET_X", size: "1" } });
  process.env["LATTICE_SECRET_X"] = "hush";
  await front.link(actor, id, { contractId: "wasmcloud:keyvalue", config: ["store"], values: { own: "yes" } });
  assert.deepEqual(store.told, [{ password: "hush", size: "1", own: "yes" }]);

  await ask(front, "config.put", { name: "store", values: { password: "secret:env:LATTICE_SECRET_X", size: "2" } });
  assert.deepEqual(store.told.length, 2, "the change has taken effect at the provider's host when it is answered");
  await ask(front, "config.put", { name: "patience", values: { deadline: "700ms" } });
  await front.link(actor, id, { config: ["store", "patience"], values: { own: "yes" } });
  const callers = () => [...front.fleet.caller.tables.links.values()].map(({ deadlineMs }) => deadlineMs);
  await until(() => callers().includes(700));
  await ask(front, "config.put", { name: "patience", values: { deadline: "900ms" } });
  await until(() => callers().includes(900));
  store.told.splice(2);
  const late = await lattice.host();
  await until(() => late.configurations.find("store")?.values.size === "2");
  await until(() => [...late.wanted.links.values()][0]?.spec.config?.[0] === "store");
  assert.deepEqual(store.told.slice(1), [{ password: "hush", size: "2", own: "yes" }], "once for one change");
  const { problems } = await ask(front, "config.put", { name: "store", values: { mode: "wrong" } });
  assert.match(JSON.stringify(problems), new RegExp(`${back.id}.*mode must not be wrong`));
  await ask(front, "config.put", { name: "store", values: { password: "secret:env:LATTICE_SECRET_X", size: "2" } });
  const { values } = await lattice.client
    .state(configurationBucket("default"))
    .get("CONFIG_store")
    .then((entry) => ({ values: Buffer.from(entry!.value).toString() }));
  assert.match(values, /secret:env:LATTICE_SECRET_X/);
  assert.doesNotMatch(values, /hush/);
});

natsTest(
  "a host that starts without its server takes links up with their configurations once it is there",
  async () => {
    const port = await freePort();
    const [clusterSeed, key] = [KeyPair.generate("cluster").seed, KeyPair.generate("service").publicKey];
    const join = () => startHost({ nats: `nats://127.0.0.1:${port}`, clusterSeed, logLevel: "silent" });
    await using early = await join();
    const store = listening(key);
    await early.startProvider(store);
    await using _server = await NatsServer.start({ port });
    await using other = await join();
    const actor = await startCounter(other);
    await other.configurations.put("store", { size: "1" });
    await other.link(actor, key, { contractId: "wasmcloud:keyvalue", config: ["store"] });
    await until(() => store.told.length === 1);
    await until(() => early.configurations.find("store"));
    await other.configurations.put("store", { size: "2" });
    await until(() => store.told.length === 2);
    assert.deepEqual(store.told, [{ size: "1" }, { size: "2" }]);
  },
);
