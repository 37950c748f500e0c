import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { builtins } from "../../capabilities/index.ts";
import { KeyPair } from "../../lattice/index.ts";
import type { Host } from "../../host/index.ts";
import { archiveOf } from "../support/archives.ts";
import { obedient } from "../support/actors.ts";
import { ControlLattice } from "../support/control-client.ts";
import { natsSkip, natsTest } from "../support/nats-server.ts";
import { Registry, withoutRegistry } from "../support/registry.ts";
import { until } from "../support/until.ts";

interface Application {
  readonly actorRef: string;
  readonly module: KeyPair;
  readonly provider: { readonly reference: string; readonly key: string };
  readonly contract: string;
}

/** Source: captures of 0.82, section 14: what wadm 0.10 asks for one application, in its order. */
async function converse(lattice: ControlLattice, host: Host, { actorRef, module, provider, contract }: Application) {
  const heard: string[] = [];
  lattice.client.bus.subscribe("wasmbus.evt.*", ({ payload }) => {
    heard.push((JSON.parse(Buffer.from(payload).toString()) as { type: string }).type.split(".").at(-1) ?? "");
  });
  const { reference: providerRef, key } = provider;
  const owned = (scaler: string, spread: string) => ({
    "wasmcloud.dev/appspec": "hello",
    "wasmcloud.dev/managed-by": "wadm",
    "wasmcloud.dev/scaler": scaler,
    "wasmcloud.dev/spread_name": spread,
  });
  const [ofActor, ofProvider] = [owned("actorspreadscaler", "all"), owned("providerspreadscaler", "default")];

  await until(() => heard.includes("host_heartbeat"));
  assert.deepEqual(await lattice.ask("get.links"), { links: [] });
  const scale = { actor_ref: actorRef, annotations: ofActor, count: 3, host_id: host.id };
  await lattice.ask(`cmd.${host.id}.scale`, scale);
  const start = { annotations: ofProvider, host_id: host.id, link_name: "default", provider_ref: providerRef };
  await lattice.ask(`cmd.${host.id}.lp`, start);
  const started = await lattice.event("actors_started");
  assert.deepEqual(
    [started.data["annotations"], started.data["count"], started.data["host_id"], started.data["image_ref"]],
    [ofActor, 3, host.id, actorRef],
  );
  assert.deepEqual((await lattice.event("provider_started")).data["annotations"], ofProvider);
  await lattice.event("health_check_passed", ({ data }) => data["public_key"] === key);

  const link = {
    actor_id: module.publicKey,
    provider_id: key,
    link_name: "default",
    contract_id: contract,
  };
  await lattice.ask("linkdefs.put", { ...link, values: { address: "127.0.0.1:0" } });
  await lattice.event("linkdef_set");
  const { links } = (await lattice.ask("get.links")) as { links: object[] };
  assert.deepEqual({ ...links[0], values: undefined }, { ...link, values: undefined });

  lattice.takeNames();
  await lattice.ask(`cmd.${host.id}.scale`, scale);
  assert.equal((await lattice.event("actor_scaled")).data["max_instances"], 3, "a repeated scale changes nothing");
  assert.equal(host.wanted.placements.size, 1);
  const { actors, providers } = (await lattice.ask(`get.${host.id}.inv`)) as Record<string, Record<string, unknown>[]>;
  const [instance] = actors![0]!["instances"] as Record<string, unknown>[];
  assert.deepEqual(instance!["annotations"], ofActor);
  const { max_instances, max_concurrent } = instance!;
  assert.deepEqual({ max_instances, max_concurrent }, { max_instances: 3, max_concurrent: 3 }, "under both names");
  assert.deepEqual(providers![0]!["annotations"], ofProvider);

  await lattice.ask("linkdefs.del", { ...link, provider_id: "", values: {} });
  const stop = { annotations: ofProvider, contract_id: contract, host_id: host.id, link_name: "default" };
  await lattice.ask(`cmd.${host.id}.sp`, { ...stop, provider_ref: key });
  await lattice.ask(`cmd.${host.id}.scale`, { ...scale, count: 0 });
  await lattice.event("provider_stopped");
  await lattice.event("actors_stopped");
  await until(() => host.wanted.placements.size + host.wanted.providers.size + host.wanted.links.size === 0);
}

natsTest("the conversation of a deployment manager converges: deploy, repeat, undeploy", async () => {
  const folder = mkdtempSync(join(tmpdir(), "lattice-wadm-"));
  using _folder = { [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
  await using lattice = await ControlLattice.start();
  const host = await lattice.host({ allowFiles: true, labels: { zone: "a" }, heartbeatMs: 500 });
  const [module, contract] = [KeyPair.generate("module"), "wasmcloud:httpserver"];
  const path = join(folder, "echo.wasm");
  writeFileSync(path, obedient({ name: "Echo", module, capabilities: [contract] }));
  const reference = "builtin:httpserver";
  const provider = { reference, key: builtins.get(reference)!.key };
  await converse(lattice, host, { actorRef: pathToFileURL(path).href, module, provider, contract });
});

void test(
  "it converges with images of a registry, of the actor and of the provider's archive",
  { skip: natsSkip() || withoutRegistry },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "lattice-wadm-"));
    using _folder = { [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
    await using registry = await Registry.start();
    await using lattice = await ControlLattice.start();
    const host = await lattice.host({ heartbeatMs: 500, stateDirectory: folder });
    const [module, contract] = [KeyPair.generate("module"), "demo:archive"];
    const { publicKey: key } = KeyPair.generate("service");
    const actorRef = await registry.push("echo", obedient({ name: "Echo", module, capabilities: [contract] }));
    const provider = { reference: await registry.push("archived", archiveOf({ subject: key })), key };
    await converse(lattice, host, { actorRef, module, provider, contract });
  },
);
