import assert from "node:assert/strict";
import type { Provider } from "../../capabilities/index.ts";
import { KeyPair } from "../../lattice/index.ts";
import { obedient } from "../support/actors.ts";
import { ControlLattice } from "../support/control-client.ts";
import { natsTest } from "../support/nats-server.ts";
import { until } from "../support/until.ts";

const patienceMs = 60_000;

natsTest(
  "a provider that falls ill and recovers is told on the lattice's events, by key, link and contract",
  async () => {
    await using lattice = await ControlLattice.start();
    const host = await lattice.host({ heartbeatMs: 500, limits: { healthMs: 20 } });
    const { publicKey: key } = KeyPair.generate("service");
    let well = true;
    const provider: Provider = {
      contractId: "wasmcloud:keyvalue",
      name: "store",
      key,
      handle: () => new Uint8Array(),
      health: () => ({ healthy: well, message: "no disk" }),
    };
    await host.startProvider(provider, { linkName: "spare" });
    const about = { public_key: key, link_name: "spare", contract_id: "wasmcloud:keyvalue" };
    await lattice.event("health_check_passed", ({ data }) => data["public_key"] === key);
    lattice.takeNames();
    well = false;
    const failed = await until(
      () => lattice.events.find(({ type }) => type === "com.wasmcloud.lattice.health_check_failed"),
      patienceMs,
    );
    assert.equal(failed.source, host.id);
    assert.deepEqual(failed.data, about);
    assert.ok(!lattice.takeNames().includes("health_check_passed"));
    well = true;
    const passed = await until(
      () => lattice.events.find(({ type }) => type === "com.wasmcloud.lattice.health_check_passed"),
      patienceMs,
    );
    assert.deepEqual(passed.data, about);
  },
);

natsTest(
  "an update that fails its trial is told on the lattice's events, with the actor, the revision and why",
  async () => {
    await using lattice = await ControlLattice.start();
    const host = await lattice.host({ engines: 0 });
    const module = KeyPair.generate("module");
    const version = (revision: number) =>
      host.load(obedient({ name: "Tried", module, revision }), `version ${revision}`);
    const actor = await host.startActor(await version(1), { reference: "first" });
    const ask = (operation: string) => host.call(actor.id, operation, Buffer.from("x")).catch(() => undefined);
    for (let calls = 0; calls < 5; calls++) await ask("Echo");
    const update = host.updateActor(actor, await version(2), "second", { trialMs: 600_000 });
    const returned = assert.rejects(update, { code: "UPDATE_RETURNED" });
    await until(() => host.wanted.findActor(actor.id).spec.module.claims.revision === 2, patienceMs);
    await until(async () => {
      await ask("Fail");
      return host.wanted.findActor(actor.id).spec.module.claims.revision === 1;
    }, patienceMs);
    await returned;
    const told = await until(
      () => lattice.events.find(({ type }) => type === "com.wasmcloud.lattice.actor_update_failed"),
      patienceMs,
    );
    assert.equal(told.source, host.id);
    const { public_key: key, revision, reason } = told.data;
    assert.deepEqual([key, revision], [module.publicKey, 2]);
    assert.match(String(reason), /calls failed/);
  },
);
