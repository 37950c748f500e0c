import assert from "node:assert/strict";
import { builtins } from "../../capabilities/index.ts";
import { KeyPair } from "../../lattice/index.ts";
import { ControlLattice } from "../support/control-client.ts";
import { natsTest } from "../support/nats-server.ts";
import { until } from "../support/until.ts";

const accepted = '{"accepted":true,"error":""}';
const reference = "builtin:keyvalue-memory";
const { key, contractId, name } = builtins.get(reference)!;

natsTest("a provider starts, is told healthy at once, is refused twice, and stops by its key", async () => {
  await using lattice = await ControlLattice.start();
  const host = await lattice.host();
  const annotations = { x: "y" };
  const start = { provider_ref: reference, link_name: "default", annotations, host_id: host.id };
  lattice.takeNames();
  assert.equal(
    await lattice.text(`cmd.${host.id}.lp`, { ...start, configuration: '{"max_bytes": 1000000}' }),
    accepted,
  );
  const { data } = await lattice.event("provider_started");
  const { claims, instance_id, ...rest } = data;
  assert.deepEqual(rest, {
    annotations,
    contract_id: contractId,
    host_id: host.id,
    image_ref: reference,
    link_name: "default",
    public_key: key,
  });
  assert.equal(typeof instance_id, "string");
  assert.deepEqual(
    Object.keys(claims as object).toSorted((a, b) => (a < b ? -1 : 1)),
    ["expires_human", "issuer", "name", "not_before_human", "tags", "version"],
  );
  const healthy = await lattice.event("health_check_passed");
  assert.deepEqual(healthy.data, { contract_id: contractId, link_name: "default", public_key: key });

  const { providers } = (await lattice.ask(`get.${host.id}.inv`)) as { providers: Record<string, unknown>[] };
  const shown = providers[0]!;
  assert.deepEqual(
    [shown["id"], shown["image_ref"], shown["contract_id"], shown["link_name"], shown["name"], shown["annotations"]],
    [key, reference, contractId, "default", name, annotations],
  );
  const again = await lattice.ask(`cmd.${host.id}.lp`, start);
  assert.equal(again["accepted"], false);
  assert.match(String(again["error"]), /already runs here/);

  const stop = { provider_ref: key, link_name: "default", contract_id: contractId, host_id: host.id };
  assert.equal((await lattice.ask(`cmd.${host.id}.sp`, { ...stop, annotations: { x: "z" } }))["accepted"], false);
  assert.equal(await lattice.text(`cmd.${host.id}.sp`, { ...stop, annotations }), accepted);
  assert.equal((await lattice.event("provider_stopped")).data["reason"], "stop");
  assert.equal((await lattice.ask(`cmd.${host.id}.sp`, stop))["accepted"], false, "it runs no more");
});

natsTest("a provider that cannot start is told by an event under its reference", async () => {
  await using lattice = await ControlLattice.start();
  const host = await lattice.host();
  assert.equal(
    await lattice.text(`cmd.${host.id}.lp`, { provider_ref: "builtin:nothing", link_name: "default" }),
    accepted,
  );
  const { data } = await lattice.event("provider_start_failed");
  assert.deepEqual([data["provider_ref"], data["link_name"]], ["builtin:nothing", "default"]);
  assert.match(String(data["error"]), /builtin:nothing/);
});

natsTest("links are put and deleted by any host, known to all, and their secrets stay out of events", async () => {
  await using lattice = await ControlLattice.start();
  const [a, b] = [await lattice.host(), await lattice.host()];
  await a.startProvider(reference);
  await until(() => b.member!.peers.some(({ providers }) => providers.length === 1));
  const actor = KeyPair.generate("module").publicKey;
  const link = { actor_id: actor, provider_id: key, link_name: "default", contract_id: contractId };
  assert.equal(await lattice.text("linkdefs.put", { ...link, values: { prefix: "hidden" } }), accepted);
  const { data } = await lattice.event("linkdef_set");
  assert.deepEqual({ ...data, id: undefined }, { ...link, values: { prefix: "[redacted]" }, id: undefined });
  for (const host of [a, b]) await until(() => host.wanted.links.size === 1);
  const { links } = (await lattice.ask("get.links")) as { links: Record<string, unknown>[] };
  assert.deepEqual({ ...links[0], values: undefined }, { ...link, values: undefined });
  assert.doesNotMatch(JSON.stringify(lattice.events), /hidden/);
  assert.equal((await lattice.ask("linkdefs.put", { ...link, actor_id: "x" }))["accepted"], false, "no key");
  assert.equal(await lattice.text("linkdefs.del", link), accepted);
  await lattice.event("linkdef_deleted");
  for (const host of [a, b]) await until(() => host.wanted.links.size === 0);
  assert.equal(await lattice.text("linkdefs.del", link), accepted, "of no link");
});

natsTest("configuration of an actor is kept by the lattice, byte by byte", async () => {
  await using lattice = await ControlLattice.start();
  await lattice.host();
  const entity = KeyPair.generate("module").publicKey;
  assert.equal(await lattice.text(`get.config.${entity}.colour`), '{"data":[],"found":false}');
  assert.equal(await lattice.text(`config.put.${entity}.colour`, "blue"), accepted);
  assert.equal(await lattice.text(`get.config.${entity}.colour`), '{"data":[98,108,117,101],"found":true}');
  assert.equal(await lattice.text(`get.config.${entity}`), '{"colour":[98,108,117,101]}');
  assert.deepEqual((await lattice.event("config_set")).data, { entity_id: entity, key: "colour" });
  assert.equal(await lattice.text(`config.del.${entity}.colour`), accepted);
  assert.equal(await lattice.text(`config.put.${entity}.colour`, "red"), accepted);
  assert.equal(await lattice.text(`config.clear.${entity}`), accepted);
  assert.equal(await lattice.text(`get.config.${entity}`), "{}");
  assert.equal((await lattice.ask("config.put.short.colour", "blue"))["accepted"], false);
});
