import assert from "node:assert/strict";
import { askVerb, type Host } from "../../host/index.ts";
import { Subjects } from "../../lattice/index.ts";
import { ControlLattice, type SeenEvent } from "../support/control-client.ts";
import { edgeActor } from "../support/edge.ts";
import { natsTest } from "../support/nats-server.ts";
import { until } from "../support/until.ts";

/** So many that a message of these servers holds only some of them. */
const count = 60;
const patienceMs = 60_000;

async function crowd(maxPayload: number) {
  const lattice = await ControlLattice.start({ config: `max_payload: ${maxPayload}` });
  const beats: SeenEvent[] = [];
  lattice.client.bus.subscribe("wasmbus.evt.default.host_heartbeat", ({ payload }) => {
    beats.push(JSON.parse(Buffer.from(payload).toString()) as SeenEvent);
  });
  const other = await lattice.host();
  const host = await lattice.host({ heartbeatMs: 500 });
  for (let index = 0; index < count; index++) await host.startActor(edgeActor({ name: `actor ${index}` }));
  return {
    lattice,
    host,
    other,
    beat: (fits: (actors: object) => boolean) =>
      until(() => beats.find(({ source, data }) => source === host.id && fits(data["actors"] as object))),
  };
}

const keysOf = (host: Host) => new Set([...host.wanted.placements.values()].map(({ spec }) => spec.module.key));

natsTest(
  "a host with more actors than one message holds is seen whole by our hosts, and counted by others",
  async () => {
    const { lattice, host, other, beat } = await crowd(8_192);
    await using _ = lattice;
    const seen = () => other.member!.peers.find((peer) => peer.host === host.id)?.actors ?? [];
    await until(() => seen().length === count);
    assert.deepEqual(new Set(seen().map(({ key }) => key)), keysOf(host));
    const [target] = [...host.wanted.placements.values()].slice(-1);
    const hello = Buffer.from("hello");
    assert.deepEqual(Buffer.from(await other.call(target!.spec.module.key, "Echo", hello)), hello);

    const { data } = await beat((actors) => Object.keys(actors).length === count);
    assert.deepEqual(new Set(Object.keys(data["actors"] as object)), keysOf(host));
    assert.equal(data["friendly_name"], host.name);
    const inventory = await lattice.ask(`get.${host.id}.inv`);
    assert.equal(inventory["accepted"], false, "no form of it fits");
    assert.match(String(inventory["error"]), /8192/);
    const { inventories } = await askVerb(lattice.client.bus, new Subjects("default"), host.id, "get.inventory", {});
    const [{ actors }] = inventories as [{ actors: { id: string }[] }];
    assert.deepEqual(new Set(actors.map(({ id }) => id)), keysOf(host));
  },
);

natsTest(
  "claims and links that no message holds are refused with the way to them, and our command line shows them all",
  async () => {
    const { lattice, host, other } = await crowd(8_192);
    await using _ = lattice;
    const store = await host.startProvider("builtin:keyvalue-memory");
    for (const actor of keysOf(host)) await host.link(actor, store.id);
    for (const what of ["claims", "links"]) {
      const { accepted, error, ...rest } = await lattice.ask(`get.${what}`);
      assert.deepEqual([accepted, rest], [false, {}], "half of them would be taken for all");
      assert.match(String(error), new RegExp(`get ${what} has \\d+ bytes.* 8192: "lattice get ${what}" fetches`));
    }
    const wanted = [...keysOf(host)].toSorted();
    const rows = async (at: Host, verb: string) => {
      const answer = await askVerb(lattice.client.bus, new Subjects("default"), at.id, verb, {});
      return Object.values(answer).find(Array.isArray) as Record<string, string>[];
    };
    for (const at of [host, other]) {
      await until(async () => (await rows(at, "get.links")).length === count, patienceMs);
      assert.deepEqual((await rows(at, "get.links")).map((row) => row["actor_id"]!).toSorted(), wanted);
      const subjectsOf = async () => (await rows(at, "get.claims")).map((row) => row["sub"]!).toSorted();
      await until(async () => (await subjectsOf()).length >= count, patienceMs);
      assert.deepEqual(
        (await subjectsOf()).filter((key) => key.startsWith("M")),
        wanted,
      );
    }
  },
);

natsTest("an inventory that is a little too large is told without what only our clients read", async () => {
  const { lattice, host, beat } = await crowd(24_576);
  await using _ = lattice;
  const { actors } = (await lattice.ask(`get.${host.id}.inv`)) as { actors: Record<string, unknown>[] };
  assert.deepEqual(new Set(actors.map(({ id }) => id)), keysOf(host));
  assert.deepEqual(Object.keys(actors[0]!), ["id", "name", "image_ref", "instances"]);
  const { data } = await beat((beaten) => Array.isArray(beaten) && beaten.length === count);
  assert.deepEqual(Object.keys((data["actors"] as object[])[0]!), ["id", "name", "image_ref", "instances"]);
  assert.equal(data["host_id"], host.id);
});
