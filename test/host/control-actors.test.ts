import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { KeyPair } from "../../lattice/index.ts";
import { obedient } from "../support/actors.ts";
import { ControlLattice } from "../support/control-client.ts";
import { natsTest } from "../support/nats-server.ts";
import { until } from "../support/until.ts";

const issuer = KeyPair.generate("account");
const accepted = '{"accepted":true,"error":""}';

/** Files of modules that hosts which opted in may be told by reference. */
class Shelf implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), "lattice-shelf-"));

  put(name: string, bytes: Uint8Array): string {
    const path = join(this.#folder, name);
    writeFileSync(path, bytes);
    return pathToFileURL(path).href;
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

natsTest(
  "scale starts, changes and ends one placement for each annotation set, told as 0.82 and as OTP tell it",
  async () => {
    using shelf = new Shelf();
    await using lattice = await ControlLattice.start();
    const host = await lattice.host({ allowFiles: true });
    const module = KeyPair.generate("module");
    const reference = shelf.put(
      "echo.wasm",
      obedient({ name: "Echo", module, issuer, revision: 4, callAlias: "x/echo" }),
    );
    const annotations = { "wasmcloud.dev/managed-by": "test" };
    const scale = (count: number, more: object = {}) =>
      lattice.text(`cmd.${host.id}.scale`, { actor_ref: reference, count, host_id: host.id, ...more });

    lattice.takeNames();
    assert.equal(await scale(3, { annotations }), accepted);
    const scaled = await lattice.event("actor_scaled");
    assert.deepEqual(lattice.takeNames().slice(0, 3), ["actor_started", "actors_started", "actor_scaled"]);
    assert.equal(scaled.source, host.id);
    const { claims, ...rest } = scaled.data;
    assert.deepEqual(rest, {
      annotations,
      host_id: host.id,
      image_ref: reference,
      public_key: module.publicKey,
      max_instances: 3,
      max_concurrent: 3,
    });
    assert.deepEqual(claims, {
      call_alias: "x/echo",
      caps: [],
      expires_human: "never",
      issuer: issuer.publicKey,
      name: "Echo",
      not_before_human: "immediately",
      revision: 4,
      tags: [],
      version: null,
    });

    assert.equal(await scale(5, { annotations }), accepted);
    assert.equal((await lattice.event("actors_started")).data["count"], 2, "the difference");
    await lattice.event("actor_scaled", ({ data }) => data["max_instances"] === 5);
    lattice.takeNames();
    assert.equal(await scale(2), accepted, "another annotation set is another placement");
    await lattice.event("actor_scaled");
    const { actors } = (await lattice.ask(`get.${host.id}.inv`)) as {
      actors: { instances: Record<string, unknown>[] }[];
    };
    assert.deepEqual(
      actors[0]!.instances.map((row) => [row["annotations"], row["max_instances"], row["image_ref"], row["revision"]]),
      [
        [annotations, 5, reference, 4],
        [{}, 2, reference, 4],
      ],
    );

    lattice.takeNames();
    assert.equal(await scale(0), accepted);
    const stopped = await lattice.event("actors_stopped");
    assert.deepEqual([stopped.data["count"], stopped.data["remaining"]], [2, 5]);
    await lattice.event("actor_stopped");
    lattice.takeNames();
    assert.equal(await scale(0), accepted, "taken, although there is nothing to stop");
    assert.match(String((await lattice.event("actor_scale_failed")).data["error"]), /no actor/i);
    lattice.takeNames();
    assert.equal(await scale(5, { annotations }), accepted);
    assert.equal((await lattice.event("actor_scaled")).data["max_instances"], 5, "what stands is told again");
  },
);

natsTest("a reference that cannot be fetched is told by events, with the reason", async () => {
  await using lattice = await ControlLattice.start();
  const host = await lattice.host();
  const reference = "127.0.0.1:1/absent:1";
  assert.equal(await lattice.text(`cmd.${host.id}.scale`, { actor_ref: reference, count: 1 }), accepted);
  const failed = await lattice.event("actor_start_failed");
  assert.equal(failed.data["actor_ref"], reference);
  assert.equal((await lattice.event("actors_start_failed")).data["image_ref"], reference);
  assert.equal((await lattice.event("actor_scale_failed")).data["max_instances"], 1);
  for (const file of ["file:///etc/hostname", "/etc/hostname", "-"]) {
    lattice.takeNames();
    await lattice.text(`cmd.${host.id}.la`, { actor_ref: file, count: 1 });
    assert.equal((await lattice.event("actor_start_failed")).data["actor_ref"], file, "no file of the host");
  }
});

natsTest("OTP's la adds instances, its sa takes some away or all", async () => {
  using shelf = new Shelf();
  await using lattice = await ControlLattice.start();
  const host = await lattice.host({ allowFiles: true });
  const module = KeyPair.generate("module");
  const reference = shelf.put("echo.wasm", obedient({ name: "Echo", module, issuer }));
  const instances = () => [...host.wanted.placements.values()].map(({ spec }) => spec.limits.instances);
  await lattice.text(`cmd.${host.id}.la`, { actor_ref: reference, count: 2, host_id: host.id, annotations: {} });
  await until(() => instances()[0] === 2);
  await lattice.text(`cmd.${host.id}.la`, { actor_ref: reference });
  await until(() => instances()[0] === 3);
  const stop = { actor_ref: module.publicKey, host_id: host.id };
  assert.equal(await lattice.text(`cmd.${host.id}.sa`, { ...stop, count: 1 }), accepted);
  assert.deepEqual(instances(), [2]);
  const other = await lattice.ask(`cmd.${host.id}.sa`, { ...stop, annotations: { a: "b" } });
  assert.equal(other["accepted"], false, "no placement has that annotation");
  assert.equal(await lattice.text(`cmd.${host.id}.sa`, { ...stop, count: 0 }), accepted);
  assert.deepEqual(instances(), []);
  assert.equal((await lattice.ask(`cmd.${host.id}.sa`, stop))["accepted"], false);
});

natsTest("an update is answered after the work, in the order of events of 0.82, and only upwards", async () => {
  using shelf = new Shelf();
  await using lattice = await ControlLattice.start();
  const host = await lattice.host({ allowFiles: true });
  const module = KeyPair.generate("module");
  const make = (revision: number, by = issuer) =>
    shelf.put(`rev-${revision}-${by.publicKey}.wasm`, obedient({ name: "Rev", module, issuer: by, revision }));
  const [first, second] = [make(1), make(2)];
  await lattice.text(`cmd.${host.id}.scale`, { actor_ref: first, count: 2 });
  await lattice.event("actor_scaled");
  lattice.takeNames();
  const update = (reference: string, more: object = {}) =>
    lattice.ask(`cmd.${host.id}.upd`, { actor_id: module.publicKey, new_actor_ref: reference, ...more });
  assert.deepEqual(await update(second), { accepted: true, error: "" });
  await lattice.event("actors_stopped");
  assert.equal((await lattice.event("actor_updated")).data["revision"], 2);
  const names = lattice.takeNames().filter((name) => name.startsWith("actor"));
  assert.deepEqual(names, ["actor_updated", "actors_started", "actor_scaled", "actors_stopped"]);
  assert.match(String((await update(first))["error"]), /revision 1 .* is not greater/);
  assert.match(String((await update(make(3, KeyPair.generate("account"))))["error"]), /signed the new module/);
  const foreign = shelf.put("other.wasm", obedient({ name: "Other", issuer, revision: 9 }));
  assert.equal((await update(foreign))["accepted"], false, "another actor's module");
  assert.equal((await update(make(4), { annotations: { a: "b" } }))["accepted"], false, "nothing has that annotation");
  assert.match(String((await update(first, { force: false }))["error"]), /is not greater/);
  assert.match(String((await update(first, { force: "yes" }))["error"]), /force must be true or false/);
  assert.equal([...host.wanted.placements.values()][0]!.spec.module.claims.revision, 2);
  assert.deepEqual(await update(first, { force: true, same_capabilities: true, trial_ms: 1 }), {
    accepted: true,
    error: "",
  });
});
