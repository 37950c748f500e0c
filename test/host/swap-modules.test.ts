import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { KeyPair, startHost, type SwapOptions } from "../../index.ts";
import { edgeActor } from "../support/edge.ts";
import { natsSkip, NatsServer } from "../support/nats-server.ts";
import {
  keptAll,
  moduleArchive,
  opened,
  patientLimits,
  serveArchives,
  SteadyCount,
  twoHosts,
} from "../support/swapped-archives.ts";
import { until } from "../support/until.ts";

const contract = "wasmcloud:keyvalue";
const skip = natsSkip();
const patience = 60_000;
const folder = mkdtempSync(join(tmpdir(), "swapped-modules-"));
after(() => rmSync(folder, { recursive: true, force: true }));

test("modules for Node under one key hand the count on, to ours and back, exactly", async () => {
  await using host = await startHost({ stateDirectory: folder, logLevel: "silent", limits: patientLimits });
  const actor = await host.startActor(edgeActor());
  const store = await host.startProvider("builtin:keyvalue-memory");
  await host.link(actor, store);
  await using load = new SteadyCount(host, actor);
  const options: SwapOptions = { copyState: true, trialMs: 50 };
  for (const version of ["1", "2"]) {
    await load.more();
    keptAll(await host.swapProvider(store, opened(host, moduleArchive(version)), options));
  }
  await load.more();
  // A trial gives back what was counted meanwhile.
  const steps: string[] = [];
  const swapping = host.swapProvider(store, opened(host, moduleArchive("3")), {
    copyState: true,
    trialMs: 600_000,
    onStep: ({ step }) => steps.push(step),
  });
  await until(() => steps.includes("trial"), patience);
  await load.more();
  const [id] = [...host.wanted.providers.keys()];
  host.swaps.hear({ id: id!, news: "failing", reason: "it was told to" });
  assert.equal((await swapping).outcome, "returned");
  await load.more();
  keptAll(await host.swapProvider(store, "memory", options));
  await load.more();
  await load.end();
  assert.deepEqual(await load.differences(), []);
});

test("a host that remembers comes back with the version that stood last, without asking for its file", async () => {
  const options = { hostSeed: KeyPair.generate("server").seed, stateDirectory: folder, remember: true } as const;
  const mute = `export default () => ({ contractId: "${contract}", name: "mute", handle: () => new Uint8Array() });`;
  await using first = await startHost({ ...options, logLevel: "silent", limits: patientLimits });
  const store = await first.startProvider("builtin:keyvalue-memory");
  for (const version of ["1", "2"]) {
    const config = { mark: version };
    keptAll(await first.swapProvider(store, opened(first, moduleArchive(version, mute)), { trialMs: 0, config }));
  }
  await first.stop();
  await using second = await startHost({ ...options, logLevel: "silent", limits: patientLimits });
  assert.deepEqual(
    [...second.wanted.providers.values()].map(({ spec }) => [spec.name, spec.config]),
    [["Store 2", { mark: "2" }]],
  );
});

test("a module for Node goes to another host and back with its count", { skip }, async () => {
  await using server = await NatsServer.start();
  await using web = await serveArchives({ "1.par": moduleArchive("1"), "2.par": moduleArchive("2") });
  await using hosts = await twoHosts(() => "builtin:keyvalue-memory", {}, { nats: server.url, stateDirectory: folder });
  const { one, two, actor } = hosts;
  await using load = new SteadyCount(two, actor);
  const copied: SwapOptions = { copyState: true, trialMs: 0 };
  await load.more();
  keptAll(await one.swapProvider(contract, `${web.url}/1.par`, { ...copied, toHost: two.name }));
  await load.more();
  keptAll(await two.swapProvider(contract, `${web.url}/2.par`, { ...copied, toHost: one.name }));
  await load.more();
  keptAll(await one.swapProvider(contract, "memory", { ...copied, toHost: two.name }));
  await load.more();
  await load.end();
  assert.deepEqual(await load.differences(), []);
});
