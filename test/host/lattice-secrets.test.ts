/** Secrets that the lattice keeps, sealed, in a bucket of a real server. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { inspect } from "node:util";
import type { Link, Provider } from "../../capabilities/index.ts";
import { childProvider, findVerb, type Host, startHost, verbsOf } from "../../host/index.ts";
import {
  connectNats,
  KeyPair,
  type LatticeConnection,
  metadataBucket,
  sealSecret,
  secretsBucket,
  type State,
} from "../../lattice/index.ts";
import { askHost, edgeActor } from "../support/edge.ts";
import { freePort } from "../support/free-port.ts";
import { codeOf } from "../support/journey.ts";
import { natsSkip, NatsServer } from "../support/nats-server.ts";
import { until } from "../support/until.ts";

const skip = natsSkip();
const patient = 60_000;
const unruly = fileURLToPath(new URL("../support/unruly-middleware.ts", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "lattice-secrets-"));
const key = KeyPair.generate("curve");
const cluster = KeyPair.generate("cluster");
let server: NatsServer;
let connection: LatticeConnection;
before(async () => {
  if (skip !== false) return;
  server = await NatsServer.start();
  connection = await connectNats({ servers: server.url });
});
after(async () => {
  await connection?.close();
  await server?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

let lattices = 0;
/** Hosts of a lattice of their own, and what its operator holds. */
function room() {
  const lattice = `secrets_${lattices++}`;
  const secrets: State = connection.state(secretsBucket(lattice));
  return {
    lattice,
    secrets,
    put: (name: string, text: string, ...to: string[]) =>
      secrets.put(name, sealSecret(text, to.length === 0 ? [key.publicKey] : to)),
    host: (more: Parameters<typeof startHost>[0] = {}) =>
      startHost({
        lattice,
        nats: server.url,
        clusterSeed: cluster.seed,
        stateDirectory: folder,
        secrets: { keys: [KeyPair.generate("curve").seed, key.seed] },
        limits: { secretsMs: 3_600_000 },
        ...more,
      }),
  };
}

function store(): Provider & { readonly seen: Link[] } {
  const seen: Link[] = [];
  return {
    seen,
    contractId: "wasmcloud:keyvalue",
    name: "store",
    putLink: (link) => void seen.push(link),
    handle: () => new Uint8Array(),
  };
}

/** All that somebody who asks is shown of a host. */
async function shown(host: Host, actor: string): Promise<string> {
  const verbs = verbsOf(host);
  const ask = async (verb: string, params: object = {}) =>
    JSON.stringify(await findVerb(verbs, verb).run(params, { signal: new AbortController().signal }));
  const texts = await Promise.all([
    ask("get.links"),
    ask("get.inventory"),
    ask("get.events"),
    ask("describe", { target: actor }).catch(String),
    ask("describe", { target: host.id }),
  ]);
  return [...texts, inspect(host.config, { depth: 9 }), inspect(host.wanted, { depth: 9 })].join("\n");
}

test("the provider alone sees it, and each new one at once; the lattice holds neither", { skip }, async () => {
  const { lattice, put, secrets, host } = room();
  await put("db.password", "first-hush4711");
  await using shop = await host();
  const actor = await shop.startActor(edgeActor());
  const provider = store();
  const values = { password: "secret:nats:db.password", url: "redis://:${secret:nats:db.password}@db" };
  await shop.link(actor, await shop.startProvider(provider), { values });
  const { seen } = provider;
  assert.deepEqual(seen.at(-1)!.values, { password: "first-hush4711", url: "redis://:first-hush4711@db" });
  assert.ok(!("sealed" in seen.at(-1)!));
  // No look by time within this test: the change itself tells.
  await put("db.password", "second-hush4711");
  await until(() => seen.at(-1)!.values["password"] === "second-hush4711", patient);
  assert.equal(seen.at(-1)!.values["url"], "redis://:second-hush4711@db");
  assert.ok(seen.at(-1)!.revision > seen[0]!.revision);
  await secrets.delete("db.password");
  await put("db.other", "x");
  await put("db.password", "third-hush4711");
  await until(() => seen.at(-1)!.values["password"] === "third-hush4711", patient);
  assert.ok(
    seen.every(({ values: each }) => /hush/.test(each["password"]!)),
    "a deleted one changes nothing",
  );

  assert.doesNotMatch(await shown(shop, actor.id), /hush|SX[A-Z2-7]{56}/);
  for (const bucket of [secretsBucket(lattice), metadataBucket(lattice)]) {
    const entries = await connection.state(bucket).list();
    assert.ok(entries.length > 0);
    for (const { value } of entries) assert.ok(!Buffer.from(value).includes("hush4711"));
  }
});

test("what cannot be opened or is not there is refused with all of it, and what stood goes on", { skip }, async () => {
  const { put, secrets, host } = room();
  const other = KeyPair.generate("curve");
  await put("good", "hush4711");
  await put("foreign", "x", other.publicKey);
  await secrets.put("nonsense", Buffer.from("plain text"));
  await using shop = await host();
  const actor = await shop.startActor(edgeActor());
  const provider = store();
  const handle = await shop.startProvider(provider);
  await shop.link(actor, handle, { values: { a: "secret:nats:good" } });
  const wrong = {
    a: "secret:nats:good",
    b: "secret:nats:foreign",
    c: "secret:nats:nonsense",
    d: "secret:nats:none",
    e: "secret:nats:no name",
  };
  await assert.rejects(shop.link(actor, handle, { values: wrong }), (error: Error & { code?: string }) => {
    assert.equal(error.code, "SECRET_UNAVAILABLE");
    for (const expected of [
      `nats:foreign is sealed for ${other.publicKey}, and the keys held here are:`,
      key.publicKey,
      "nats:nonsense is not what lattice secret put writes",
      "nats:none is not among the secrets",
      "nats:no name is not among the secrets",
    ])
      assert.ok(error.message.includes(expected), error.message);
    assert.doesNotMatch(error.message, /hush|plain text|SX[A-Z2-7]{56}/);
    return true;
  });
  assert.deepEqual(provider.seen.at(-1)!.values, { a: "hush4711" });
  // One that does not open any more leaves the provider with what it has.
  await secrets.put("good", Buffer.from("altered"));
  await put("later", "hush4712");
  await shop.link(actor, handle, { linkName: "later", values: { a: "secret:nats:later" } });
  assert.ok(provider.seen.every(({ values }) => /^hush471[12]$/.test(values["a"]!)));
});

test("whoever takes a link over gets it too", { skip }, async () => {
  const { put, host } = room();
  await put("pin", "hush4711");
  await using shop = await host();
  const actor = await shop.startActor(edgeActor());
  const [before, next] = [store(), store()];
  const handle = await shop.startProvider(before);
  await shop.link(actor, handle, { values: { pin: "secret:nats:pin" } });
  await shop.swapProvider(handle, next, { trialMs: 0 });
  assert.equal(next.seen.at(-1)!.values["pin"], "hush4711");
  await put("pin", "hush4712");
  await until(() => next.seen.at(-1)!.values["pin"] === "hush4712", patient);
});

test("a configuration that links share may refer to it, too", { skip }, async () => {
  const { put, host } = room();
  await put("pin", "hush4711");
  await using shop = await host();
  await shop.configurations.put("store", { pin: "secret:nats:pin" });
  const actor = await shop.startActor(edgeActor());
  const provider = store();
  await shop.link(actor, await shop.startProvider(provider), { config: ["store"] });
  assert.equal(provider.seen.at(-1)!.values["pin"], "hush4711");
  await put("pin", "hush4712");
  await until(() => provider.seen.at(-1)!.values["pin"] === "hush4712", patient);
  assert.doesNotMatch(await shown(shop, actor.id), /hush/);
});

test("a host that stands alone says so", async () => {
  await using alone = await startHost();
  const actor = await alone.startActor(edgeActor());
  const handle = await alone.startProvider(store());
  await assert.rejects(alone.link(actor, handle, { values: { a: "secret:nats:x" } }), {
    code: "SECRET_UNAVAILABLE",
    message: /nats:x is read only where the host has joined a lattice/,
  });
});

test("an engine in a thread of its own opens it, and the one that takes its place", { skip }, async () => {
  const { put, host } = room();
  await using shop = await host({ engines: 1, middleware: [unruly], logLevel: "silent" });
  const actor = await shop.startActor(edgeActor({ capabilities: ["wasmcloud:httpserver"] }));
  const web = await shop.startProvider("wasmcloud:httpserver");
  // The engine that takes its place opens the same: a port that nobody else is given meanwhile.
  await put("web/address", `127.0.0.1:${await freePort()}`);
  const link = await shop.link(actor, web, { values: { address: "secret:nats:web/address" } });
  const [url = ""] = link.urls;
  assert.match(url, /^http:\/\/127\.0\.0\.1:\d+$/);
  const answers = () =>
    fetch(url).then(
      () => true,
      () => false,
    );
  assert.ok(await answers());
  assert.doesNotMatch(await shown(shop, actor.id), /SX[A-Z2-7]{56}/);
  assert.equal(await codeOf(shop.call(actor, "test.Exit", new Uint8Array())), "ENGINE_LOST");
  await until(() => shop.fleet.restarts.get(0) === 1, patient);
  await until(answers, patient);
});

test("only the host where the provider runs opens it, whoever puts the link", { skip }, async () => {
  const { put, host } = room();
  await put("pin", "hush4711");
  await using near = await host({ secrets: {} });
  await using far = await host();
  const provider = store();
  const { id } = await far.startProvider(provider);
  const actor = await near.startActor(edgeActor());
  await until(() => near.member!.peers.length === 1 && far.member!.peers.length === 1, patient);
  await until(
    () =>
      near.link(actor, id, { values: { pin: "secret:nats:pin" } }).then(
        () => true,
        (error: { kind?: string }) => (error.kind === "absent" ? false : Promise.reject(error)),
      ),
    patient,
  );
  await until(() => provider.seen.at(-1)?.values["pin"] === "hush4711", patient);
  for (const each of [near, far]) assert.doesNotMatch(await shown(each, actor.id), /hush/);
  await put("pin", "hush4712");
  await until(() => provider.seen.at(-1)?.values["pin"] === "hush4712", patient);
});

test(
  "a provider in a process of its own gets it over its pipe: its arguments and environment do not show it",
  { skip },
  async () => {
    const { put, host } = room();
    await put("pin", "hush4711-of-child");
    const module = join(folder, "echo.mjs");
    writeFileSync(
      module,
      `export default { contractId: "demo:echo", name: "echo", handle: ({ link }) => Buffer.from(link.values.pin) };`,
    );
    await using shop = await host();
    const actor = await shop.startActor(edgeActor({ capabilities: ["demo:echo"] }));
    const provider = await childProvider(module);
    await shop.link(actor, await shop.startProvider(provider), { values: { pin: "secret:nats:pin" } });
    const ask = async () => Buffer.from(await shop.call(actor, "Call", askHost("demo:echo", "Ask", ""))).toString();
    assert.equal(await ask(), "hush4711-of-child");
    if (process.platform === "linux") {
      const of = (file: string) => readFileSync(`/proc/${provider.pid}/${file}`, "utf8");
      assert.match(of("cmdline"), /permission/);
      for (const file of ["cmdline", "environ"]) {
        assert.ok(!of(file).includes("hush4711-of-child"));
        assert.ok(!of(file).includes(key.seed));
      }
    }
    await put("pin", "hush4712-of-child");
    await until(async () => (await ask()) === "hush4712-of-child", patient);
  },
);

test(
  "while the server is away the provider keeps what it has, and a rotation meanwhile reaches it afterwards",
  { skip },
  async () => {
    await using own = await NatsServer.start();
    const secrets = async (text: string) => {
      const there = await connectNats({ servers: own.url });
      await there.state(secretsBucket("away")).put("pin", sealSecret(text, [key.publicKey]));
      await there.close();
    };
    await secrets("hush4711");
    await using shop = await startHost({
      lattice: "away",
      nats: { servers: own.url, reconnectMaxMs: 100, stateTimeoutMs: 500 },
      stateDirectory: folder,
      secrets: { keys: [key.seed] },
    });
    const actor = await shop.startActor(edgeActor());
    const provider = store();
    await shop.link(actor, await shop.startProvider(provider), { values: { pin: "secret:nats:pin" } });
    await own.kill();
    await until(() => shop.member!.report.status !== "connected", patient);
    assert.equal(provider.seen.at(-1)!.values["pin"], "hush4711");
    await own.run();
    await secrets("hush4712");
    await until(() => provider.seen.at(-1)!.values["pin"] === "hush4712", patient);
  },
);
