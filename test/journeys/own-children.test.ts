/** Our own providers in processes of their own: `child:` before their reference. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { inventory } from "../../host/index.ts";
import { type Host, type HostOptions, startHost } from "../../index.ts";
import { KeyPair, memoryConnection, MemoryServer } from "../../lattice/index.ts";
import { fileBytes } from "../support/actors.ts";
import { example } from "../support/examples.ts";
import { freePort } from "../support/free-port.ts";
import { Requests } from "../support/http-load.ts";
import { localhostTls } from "../support/localhost-tls.ts";
import { until } from "../support/until.ts";

const folder = mkdtempSync(join(tmpdir(), "lattice-own-children-"));
after(() => rmSync(folder, { recursive: true }));

async function world(host: Host, store: string, config: Record<string, string> = {}) {
  const counter = await host.startActor(await host.load(fileBytes(example("kvcounter-rust")), "kvcounter"));
  await host.link(counter, await host.startProvider(store, { config }));
  const web = await host.startProvider("builtin:httpserver");
  const { urls } = await host.link(counter, web, { values: { address: `127.0.0.1:${await freePort()}` } });
  return { url: `${urls[0]}/c`, web };
}

const countAt = async (url: string) => ((await (await fetch(url)).json()) as { counter: number }).counter;

async function shown(host: Host, contract: string) {
  const row = (await inventory(host)).providers.find((each) => each.contract_id === contract);
  return `${row?.process} ${row?.image_ref} ${row?.state}`;
}

test("the same SQLite file is served in the host and by a child in turn, under load: each call counts once", async () => {
  await using host = await startHost();
  const { url } = await world(host, "wasmcloud:keyvalue");
  const path = join(folder, "store.db");
  await host.swapProvider("wasmcloud:keyvalue", `sqlite:${path}`, { trialMs: 0 });
  const loads = [new Requests(url, true), new Requests(url, false)];
  for (const next of ["child:builtin:keyvalue-sqlite", "builtin:keyvalue-sqlite", `child:sqlite:${path}`]) {
    const before = loads[0]!.answered;
    await until(() => loads[0]!.answered > before + 20);
    const { outcome, lost } = await host.swapProvider("wasmcloud:keyvalue", next, { trialMs: 20 });
    assert.deepEqual([outcome, lost], ["swapped", 0]);
  }
  const answered = await Promise.all(
    loads.map(async (load) => (assert.deepEqual(await load.stop(), []), load.answered)),
  );
  assert.equal(await countAt(url), answered[0]! + answered[1]! + 1);
  assert.equal(await shown(host, "wasmcloud:keyvalue"), "child child:builtin:keyvalue-sqlite running");
});

test("a store in memory takes its entries along into a child, and out of it", async () => {
  await using host = await startHost();
  const { url } = await world(host, "child:wasmcloud:keyvalue", { max_bytes: "1000000" });
  assert.equal(await countAt(url), 1);
  for (const next of ["memory", "child:memory"]) {
    const swapped = await host.swapProvider("wasmcloud:keyvalue", next, { trialMs: 0, copyState: true });
    assert.equal(swapped.keysCopied, 1);
  }
  assert.equal(await countAt(url), 2);
  assert.equal(await shown(host, "wasmcloud:keyvalue"), "child child:builtin:keyvalue-memory running");
});

for (const engines of [0, 2]) {
  test(`the HTTP server goes into children and back under load, no connection is cut (${engines} engines)`, async () => {
    await using host = await startHost({ engines });
    const { url, web } = await world(host, "wasmcloud:keyvalue");
    const loads = [new Requests(url, true), new Requests(url, false)];
    for (const [next, process] of [
      ["child:builtin:httpserver", "child"],
      ["builtin:httpserver", "host"],
    ] as const) {
      const { outcome, lost } = await host.swapProvider(web, next, { trialMs: 20 });
      assert.deepEqual([outcome, lost], ["swapped", 0]);
      assert.equal(await shown(host, "wasmcloud:httpserver"), `${process} ${next} running`);
      const before = loads.map(({ answered }) => answered);
      await until(() => loads.every(({ answered }, at) => answered > before[at]! + 20));
    }
    assert.deepEqual(await Promise.all(loads.map((load) => load.stop())), [[], []]);
  });
}

test("a child reads the TLS files of links where its settings say that they lie, and nowhere else", async () => {
  const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  writeFileSync(cert, localhostTls.cert);
  writeFileSync(key, localhostTls.key);
  const values = { address: "127.0.0.1:0", tls_cert_file: cert, tls_priv_key_file: key };
  for (const config of [{}, { tls_folder: folder }] as Record<string, string>[]) {
    await using host = await startHost();
    const actor = await host.startActor(await host.load(fileBytes(example("echo-c")), "echo"));
    const web = await host.startProvider("child:wasmcloud:httpserver", { config });
    if (config["tls_folder"]) assert.match((await host.link(actor, web, { values })).urls[0]!, /^https:/);
    else await assert.rejects(host.link(actor, web, { values }), { code: "LINK_VALUES_INVALID", message: /tls: / });
  }
});

test("a child is one also where a swap takes it to another host, and when that host comes back", async () => {
  const server = new MemoryServer();
  const clusterSeed = KeyPair.generate("cluster").seed;
  const options = (name: string): HostOptions => ({
    hostSeed: KeyPair.generate("server").seed,
    clusterSeed,
    stateDirectory: join(folder, name),
    connection: memoryConnection(server),
    remember: true,
    limits: { rpcTimeoutMs: 20_000 },
  });
  await using one = await startHost(options("one"));
  const second = options("other");
  const other = await startHost(second);
  await until(() => one.member?.peers.length === 1, 30_000);
  const store = await one.startProvider("child:wasmcloud:keyvalue");
  const { outcome } = await one.swapProvider(store, undefined, { toHost: other.id, trialMs: 0, copyState: true });
  assert.equal(outcome, "swapped");
  const child = "child child:builtin:keyvalue-memory running";
  assert.equal(await shown(other, "wasmcloud:keyvalue"), child);
  await other.stop();
  await using again = await startHost({ ...second, connection: memoryConnection(server) });
  assert.equal(await shown(again, "wasmcloud:keyvalue"), child);
});

test("settings that a child refuses are told as in the host, and it may not be there twice", async () => {
  await using host = await startHost();
  await assert.rejects(host.startProvider("child:builtin:keyvalue-memory", { config: { max_byte: "1" } }), {
    code: "OPTION_UNKNOWN",
  });
  await host.startProvider("child:builtin:numbergen");
  await assert.rejects(host.startProvider("builtin:numbergen"), { code: "PROVIDER_CONFLICT" });
  await assert.rejects(host.startProvider("child:builtin:nothing"), { code: "BUILTIN_ABSENT" });
});
