import assert from "node:assert/strict";
import { startHost } from "../../host/index.ts";
import { ControlLattice } from "../support/control-client.ts";
import { natsTest } from "../support/nats-server.ts";
import { until } from "../support/until.ts";

natsTest("every host answers a ping, with the record that clients of the 0.x years read", async () => {
  await using lattice = await ControlLattice.start();
  const [a, b] = [await lattice.host({ labels: { zone: "a" } }), await lattice.host({ labels: { zone: "b" } })];
  const records = await lattice.all("ping.hosts", "", 2);
  assert.deepEqual(new Set(records.map(({ id }) => id)), new Set([a.id, b.id]));
  const record = records.find(({ id }) => id === a.id)!;
  assert.equal(record["issuer"], a.cluster);
  assert.equal(record["cluster_issuers"], a.cluster);
  assert.equal(record["lattice"], "default");
  assert.equal(record["lattice_prefix"], "default");
  assert.equal(record["friendly_name"], a.name);
  assert.equal(record["js_domain"], null);
  assert.equal((record["labels"] as Record<string, string>)["zone"], "a");
  assert.equal(typeof record["uptime_seconds"], "number");
  for (const name of ["version", "uptime_human", "ctl_host", "rpc_host", "prov_rpc_host"])
    assert.equal(typeof record[name], "string", name);
});

natsTest("shared questions are answered once, those of one host by that host", async () => {
  await using lattice = await ControlLattice.start();
  const [a] = [await lattice.host(), await lattice.host()];
  assert.equal((await lattice.all("get.links")).length, 1);
  assert.equal((await lattice.all("get.claims")).length, 1);
  const inventories = await lattice.all(`get.${a.id}.inv`);
  assert.equal(inventories.length, 1);
  const { host_id, issuer, actors, providers } = inventories[0]!;
  assert.deepEqual(
    { host_id, issuer, actors, providers },
    { host_id: a.id, issuer: a.cluster, actors: [], providers: [] },
  );
});

natsTest("an unknown command is refused by name, what no host listens to is told at once", async () => {
  await using lattice = await ControlLattice.start();
  const host = await lattice.host();
  assert.equal(await lattice.text(`cmd.${host.id}.dance`), '{"accepted":false,"error":"unsupported subject"}');
  await assert.rejects(lattice.text("dance"), { code: "NO_RESPONDERS" });
  await assert.rejects(lattice.text(`get.N${"A".repeat(55)}.inv`), { code: "NO_RESPONDERS" });
  const broken = await lattice.ask(`cmd.${host.id}.scale`, '{"actor_ref": "');
  assert.equal(broken["accepted"], false);
  assert.match(String(broken["error"]), /no JSON/);
});

natsTest("labels are put and deleted, and those of the host itself are left alone", async () => {
  await using lattice = await ControlLattice.start();
  const host = await lattice.host({ labels: { zone: "a" } });
  assert.equal(
    await lattice.text(`labels.${host.id}.put`, { key: "room", value: "1" }),
    '{"accepted":true,"error":""}',
  );
  const labels = async () => (await lattice.ask(`get.${host.id}.inv`))["labels"] as Record<string, string>;
  assert.equal((await labels())["room"], "1");
  assert.equal((await lattice.ask(`labels.${host.id}.put`, { key: "hostcore.os", value: "plan9" }))["accepted"], false);
  assert.notEqual((await labels())["hostcore.os"], "plan9");
  assert.equal((await lattice.ask(`labels.${host.id}.del`, { key: "room" }))["accepted"], true);
  assert.equal((await labels())["room"], undefined);
});

natsTest("auctions honour labels, and bids carry the load", async () => {
  await using lattice = await ControlLattice.start();
  const [, b] = [await lattice.host({ labels: { zone: "a" } }), await lattice.host({ labels: { zone: "b" } })];
  const actor = { actor_ref: "127.0.0.1:1/none:1", constraints: { zone: "b" } };
  const bids = await lattice.all("auction.actor", actor);
  assert.equal(bids.length, 1);
  assert.deepEqual({ ...actor, host_id: b.id }, pick(bids[0]!, ["actor_ref", "constraints", "host_id"]));
  assert.equal(typeof bids[0]!["free_memory"], "number");
  const provider = { provider_ref: "builtin:keyvalue-memory", link_name: "default", constraints: { zone: "b" } };
  assert.deepEqual(
    pick((await lattice.all("auction.provider", provider))[0]!, [
      "provider_ref",
      "link_name",
      "constraints",
      "host_id",
    ]),
    { ...provider, host_id: b.id },
  );
  assert.equal((await lattice.all("auction.actor", { ...actor, constraints: { zone: "z" } }, 0)).length, 0);
  await b.startProvider("builtin:keyvalue-memory");
  assert.equal((await lattice.all("auction.provider", provider, 0)).length, 0, "it runs there");
});

natsTest(
  "a host that stops says so and is gone at once, one that falls silent after two and a half announcements",
  async () => {
    await using lattice = await ControlLattice.start();
    const [a, b, c] = [await lattice.host(), await lattice.host(), await lattice.host({ presenceMs: 200 })];
    await b.stop();
    await until(() => !a.member!.peers.some(({ host }) => host === b.id));
    await lattice.event("host_stopped", ({ source }) => source === b.id);
    // Its process is gone without a word, as far as anybody can tell.
    await c.member!.disappear();
    await until(() => !a.member!.peers.some(({ host }) => host === c.id));
    const left = await lattice.event("host_left", ({ data }) => data["host_id"] === c.id);
    assert.match(String(left.data["reason"]), /silent/);
  },
);

natsTest("a host that no cluster key of ours vouches for is not one of ours", async () => {
  await using lattice = await ControlLattice.start();
  const a = await lattice.host();
  const stranger = await startHost({ nats: lattice.server.url, presenceMs: 500, logLevel: "error" });
  try {
    await until(async () => (await lattice.all("ping.hosts")).some(({ id }) => id === stranger.id));
    const heard: string[] = [];
    lattice.client.bus.subscribe("wasmlattice.presence.default", ({ payload }) => {
      heard.push((JSON.parse(Buffer.from(payload).toString()) as { host: string }).host);
    });
    await until(() => heard.includes(stranger.id));
    // Whoever is told after it was heard too.
    const b = await lattice.host();
    assert.deepEqual(
      a.member!.peers.map(({ host }) => host),
      [b.id],
    );
    assert.deepEqual(
      a.events.recent(0).flatMap(({ type, data }) => (type === "host_joined" ? [data["host_id"]] : [])),
      [b.id],
    );
  } finally {
    await stranger.stop();
  }
});

function pick(of: Record<string, unknown>, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(names.map((name) => [name, of[name]]));
}
