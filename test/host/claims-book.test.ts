import assert from "node:assert/strict";
import { test } from "node:test";
import { type Host, type HostOptions, startHost } from "../../host/index.ts";
import {
  KeyPair,
  type LatticeConnection,
  memoryConnection,
  MemoryServer,
  metadataBucket,
} from "../../lattice/index.ts";
import { obedient } from "../support/actors.ts";
import { start } from "../support/journey.ts";
import { until } from "../support/until.ts";

const patienceMs = 60_000;

/** Two hosts of one lattice, and its bucket. */
async function lattice(options: HostOptions = {}) {
  const server = new MemoryServer();
  const clusterSeed = KeyPair.generate("cluster").seed;
  const connections: LatticeConnection[] = [];
  const connect = () => {
    connections.push(memoryConnection(server));
    return connections.at(-1)!;
  };
  const host = () =>
    startHost({ connection: connect(), clusterSeed, presenceMs: 1_000, logLevel: "silent", ...options });
  const hosts: Host[] = [await host(), await host()];
  await until(() => hosts.every(({ member }) => member?.peers.length === 1), patienceMs);
  const client = memoryConnection(server);
  const bucket = client.state(metadataBucket("default"));
  return {
    hosts: hosts as [Host, Host],
    bucket,
    connections,
    stored: async (key: string) => (await bucket.get(`CLAIMS_${key}`)) !== undefined,
    async [Symbol.asyncDispose]() {
      await Promise.all(hosts.map((each) => each.stop()));
      await client.close();
    },
  };
}

test("claims of an actor go with the last host that runs it, in order, and stay while one does", async () => {
  await using world = await lattice();
  const [one, two] = world.hosts;
  const bytes = obedient({ name: "Echo" });
  const here = await start(one, bytes);
  await until(() => world.stored(here.id), patienceMs);
  const there = await start(two, bytes);
  await until(() => one.member!.peers[0]?.actors.length === 1, patienceMs);
  await one.stopActor(here);
  await until(() => two.member!.peers[0]?.actors.length === 0, patienceMs);
  assert.ok(await world.stored(here.id));
  await two.stopActor(there);
  await until(async () => !(await world.stored(here.id)), patienceMs);
  const again = await start(one, bytes);
  await until(() => world.stored(again.id), patienceMs);
});

test("claims that another deletes are written again by who runs the actor", async () => {
  await using world = await lattice();
  const actor = await start(world.hosts[0], obedient({ name: "Echo" }));
  await until(() => world.stored(actor.id), patienceMs);
  await world.bucket.delete(`CLAIMS_${actor.id}`);
  await until(() => world.stored(actor.id), patienceMs);
});

test("claims that a 0.x host wrote over stay: it may run the actor and does not say so", async () => {
  await using world = await lattice();
  const [one] = world.hosts;
  const actor = await start(one, obedient({ name: "Echo" }));
  const other = await start(one, obedient({ name: "Other" }));
  await until(async () => (await world.stored(actor.id)) && (await world.stored(other.id)), patienceMs);
  const foreign = { subject: actor.id, name: "Echo of another", capabilities: [] };
  await world.bucket.put(`CLAIMS_${actor.id}`, Buffer.from(JSON.stringify(foreign)));
  const listed = async () => JSON.stringify(await one.member!.claims.list());
  await one.stopActor(actor);
  await until(async () => (await listed()).includes("Echo of another"), patienceMs);
  await one.stopActor(other);
  await until(async () => !(await world.stored(other.id)), patienceMs);
  assert.ok(await world.stored(actor.id));
});

test("what is no claims is told once in the log", async () => {
  const lines: string[] = [];
  await using world = await lattice();
  const [one] = world.hosts;
  const { logger } = one;
  logger.warn = (text: string) => void lines.push(text);
  for (const letter of ["A", "B", "C"])
    await world.bucket.put(`CLAIMS_${"M".padEnd(56, letter)}`, Buffer.from("{not json"));
  const good = KeyPair.generate("module").publicKey;
  await world.bucket.put(`CLAIMS_${good}`, Buffer.from(JSON.stringify({ subject: good, name: "Good" })));
  await until(async () => JSON.stringify(await one.member!.claims.list()).includes("Good"), patienceMs);
  assert.equal(lines.filter((line) => line.includes("is no claims")).length, 1);
});

test("claims and references of a host that was lost go after a while, those that anybody announces or that a 0.x host wrote stay", async () => {
  await using world = await lattice({ claimsAgeMs: 400 });
  const [one, two] = world.hosts;
  const image = (name: string) => `https://modules.example/${name}.wasm`;
  const run = async (host: Host, name: string) =>
    host.startActor(await host.load(obedient({ name }), name), { reference: image(name) });
  const [kept, lost] = [await run(one, "Kept"), await run(two, "Lost")];
  const foreign = KeyPair.generate("module").publicKey;
  await world.bucket.put(`CLAIMS_${foreign}`, Buffer.from(JSON.stringify({ subject: foreign, name: "Foreign" })));
  const references = async () =>
    (await world.bucket.list("*")).flatMap(({ key, value }) =>
      key.startsWith("REFMAP_") ? [(JSON.parse(Buffer.from(value).toString()) as { oci_url: string }).oci_url] : [],
    );
  await until(async () => (await references()).length === 2, patienceMs);
  await until(() => one.member!.claims.keyOfReference(image("Lost")) === lost.id, patienceMs);
  await two.member!.disappear();
  await world.connections[1]!.close();
  await until(() => one.member!.peers.length === 0, patienceMs);
  await until(async () => !(await world.stored(lost.id)), patienceMs);
  await until(async () => (await references()).length === 1, patienceMs);
  assert.deepEqual(await references(), [image("Kept")]);
  assert.ok((await world.stored(kept.id)) && (await world.stored(foreign)));
  await until(() => one.member!.claims.keyOfReference(image("Lost")) === undefined, patienceMs);
});

test("a host that was only cut off writes again what others have deleted meanwhile, the reference too", async () => {
  await using world = await lattice();
  const [one] = world.hosts;
  const reference = "https://modules.example/echo.wasm";
  const actor = await one.startActor(await one.load(obedient({ name: "Echo" }), "Echo"), { reference });
  const name = `REFMAP_${Buffer.from(reference).toString("base64url")}`;
  const stored = async () => (await world.stored(actor.id)) && (await world.bucket.get(name)) !== undefined;
  await until(stored, patienceMs);
  for (const key of [`CLAIMS_${actor.id}`, name]) await world.bucket.delete(key);
  await until(stored, patienceMs);
  await until(() => one.member!.claims.keyOfReference(reference) === actor.id, patienceMs);
});
