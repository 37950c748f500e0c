/** Archives of the 0.x years: made, pushed and run by the tools of that time and by ours. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { makeArchive, ownTarget } from "../../actors/index.ts";
import { startHost } from "../../host/index.ts";
import { KeyPair } from "../../lattice/index.ts";
import { Home, documentOf, failureOf, ready } from "../support/cli.ts";
import { archiveProgram } from "../support/archives.ts";
import { askHost, edgeActor } from "../support/edge.ts";
import { example } from "../support/examples.ts";
import { goProgram, withoutGo } from "../support/go-program.ts";
import { natsSkip, NatsServer } from "../support/nats-server.ts";
import { Registry, withoutRegistry } from "../support/registry.ts";
import { until } from "../support/until.ts";
import { keptAll, SteadyCount } from "../support/swapped-archives.ts";
import { Wash, withoutWash } from "../support/wash.ts";

const noNats = natsSkip();
const skip = noNats || withoutGo;
const skipTools = skip || withoutRegistry || withoutWash;

test("a static program, packed and pushed by the real wash, counts behind an actor", { skip: skipTools }, async () => {
  await using server = await NatsServer.start();
  await using registry = await Registry.start();
  await using home = new Home();
  using wash = new Wash();
  const about = ["--capid", "wasmcloud:keyvalue", "--vendor", "Demo", "--name", "Notes", "--arch", ownTarget()];
  wash.run("par", "create", ...about, "--binary", goProgram(), "--destination", wash.file("notes.par"), "--compress");
  const image = `${registry.host}/demo/notes:1.0`;
  wash.run("push", "--insecure", image, wash.file("notes.par.gz"));
  writeFileSync(
    join(home.path, "host.yaml"),
    `
actors:
  - { path: ${example("kvcounter-rust")}, name: counter }
capabilities:
  - wasmcloud:httpserver
  - ${image}
links:
  - { actor: counter, contract: wasmcloud:keyvalue, values: { prefix: "a:" } }
  - { actor: counter, contract: wasmcloud:httpserver, values: { address: "127.0.0.1:0" } }
`,
  );
  const running = home.start(["up", "-f", "host.yaml", "--nats", server.url, "-o", "json"]);
  const { actors, providers } = await ready(running);
  assert.ok(providers.some(({ name, contract_id }) => name === "Notes" && contract_id === "wasmcloud:keyvalue"));
  const url = actors[0]?.urls[0] ?? "";
  for (const counter of [1, 2, 3]) {
    assert.deepEqual(await (await fetch(`${url}/x`)).json(), { counter, path: "/x" });
  }
  const again = await home.run(["start", "provider", image, "-o", "json"]);
  assert.deepEqual([again.code, failureOf(again).code], [6, "PROVIDER_CONFLICT"]);
  documentOf(await home.run(["stop", "provider", "Notes", "-o", "json"]));
  const control = ["--ctl-port", String(server.port), "--timeout-ms", "10000"];
  const theirs = wash.json("start", "provider", image, ...control);
  assert.equal(theirs.success, true);
  // Told of the start, and a moment later linked again.
  const answer = await until(async () => {
    const response = await fetch(`${url}/x`);
    return response.ok && (await response.json());
  });
  assert.deepEqual(answer, { counter: 1, path: "/x" });
  documentOf(await home.run(["stop", "provider", "Notes", "-o", "json"]));
  const ours = documentOf(await home.run(["start", "provider", wash.file("notes.par.gz"), "-o", "json"]));
  assert.equal((ours.provider as { name: string }).name, "Notes");
  running.child.kill("SIGTERM");
  assert.equal((await running.finished).code, 0);
});

test("a static program takes links, calls back, and checks who calls", { skip }, async () => {
  await using server = await NatsServer.start();
  await using home = new Home();
  await using host = await startHost({ nats: server.url, stateDirectory: home.path });
  const bytes = makeArchive({
    name: "Notes",
    contractId: "wasmcloud:keyvalue",
    vendor: "Demo",
    issuer: KeyPair.generate("account"),
    subject: KeyPair.generate("service").publicKey,
    binaries: new Map([
      [ownTarget(), readFileSync(goProgram())],
      ["riscv64-plan9", archiveProgram],
    ]),
  });
  const provider = await host.startProvider(host.openArchive(bytes, "notes"));
  const actor = await host.startActor(edgeActor());
  await host.link(actor, provider, { values: { prefix: "x:" } });
  const ask = async (operation: string, payload: string) =>
    Buffer.from(await host.call(actor, "Call", askHost("wasmcloud:keyvalue", operation, payload))).toString();
  assert.equal(await ask("Ask", "well"), "well");
  assert.match(await ask("Nonsense", ""), /Notes failed Nonsense: no operation Nonsense/);
  // Each holds an instance of the actor and needs another for the way back.
  const callers = Array.from({ length: 6 }, async (_, caller) => {
    for (let at = 0; at < 20; at++) assert.equal(await ask("Ask", `${caller}.${at}`), `${caller}.${at}`);
  });
  await Promise.all(callers);
});

test("a static program is swapped for its next version and for ours, and no call is lost", { skip }, async () => {
  await using server = await NatsServer.start();
  await using home = new Home();
  await using host = await startHost({ nats: server.url, stateDirectory: home.path });
  const [issuer, subject] = [KeyPair.generate("account"), KeyPair.generate("service").publicKey];
  const notes = (revision: number) =>
    host.openArchive(
      makeArchive({
        name: `Notes ${revision}`,
        contractId: "wasmcloud:keyvalue",
        vendor: "Demo",
        revision,
        issuer,
        subject,
        binaries: new Map([[ownTarget(), readFileSync(goProgram())]]),
      }),
      "notes",
    );
  const actor = await host.startActor(edgeActor());
  const provider = await host.startProvider(notes(1));
  await host.link(actor, provider);
  await using load = new SteadyCount(host, actor);
  for (const next of [notes(2), "memory", notes(3)]) {
    await load.more(200);
    keptAll(await host.swapProvider(provider, next, { trialMs: 50 }));
  }
  await load.more(200);
  await load.end();
  assert.deepEqual(
    [...host.wanted.providers.values()].map(({ spec }) => spec.name),
    ["Notes 3"],
  );
});
