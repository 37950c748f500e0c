import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  actorEntity,
  configurationBucket,
  connectNats,
  KeyPair,
  metadataBucket,
  Subjects,
  unpack,
} from "../../lattice/index.ts";
import { snapshot } from "../../host/inventory.ts";
import { archiveOf } from "../support/archives.ts";
import { attackEverySubject } from "../support/attack.ts";
import { ControlLattice } from "../support/control-client.ts";
import { Dice } from "../support/dice.ts";
import { askHost, edgeActor } from "../support/edge.ts";
import { hostileFamilies, hostileMessages } from "../support/hostile-messages.ts";
import { natsTest, NatsServer } from "../support/nats-server.ts";
import { until } from "../support/until.ts";

const patienceMs = 60_000;

natsTest("hostile messages over a real server, too, end nothing, change nothing and are counted", async () => {
  await using server = await NatsServer.start();
  const connection = await connectNats({ servers: server.url });
  const client = await connectNats({ servers: server.url });
  try {
    await attackEverySubject({ connection, client }, 2_000);
  } finally {
    await Promise.all([connection.close(), client.close()]);
  }
});

natsTest("nobody but an archive's program is heard on the subjects between it and its host", async () => {
  const folder = mkdtempSync(join(tmpdir(), "lattice-hostile-"));
  using _folder = { [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
  await using lattice = await ControlLattice.start();
  const cluster = KeyPair.fromSeed(lattice.clusterSeed, "cluster");
  const host = await lattice.host({ stateDirectory: folder, logLevel: "silent" });
  const provider = await host.startProvider(host.openArchive(archiveOf(), "archived"));
  const actor = await host.startActor(edgeActor({ capabilities: ["demo:archive"] }));
  await host.link(actor, provider);
  const call = async (operation: string, payload = "") => {
    const answer = await host.call(actor, "Call", askHost("demo:archive", operation, payload), {
      timeoutMs: patienceMs,
    });
    return Buffer.from(answer).toString();
  };
  // Its name is a secret from others on the same servers; whoever learned it all the same is met here.
  const about = JSON.parse(await call("About")) as { host: { lattice_rpc_prefix: string } };
  const between = new Subjects(about.host.lattice_rpc_prefix);
  const { bus } = lattice.client;
  const target = actorEntity(actor.id);
  const noise = hostileMessages({ seed: 7, target, lattice: "default", cluster });
  const refused = async () =>
    Object.values((await snapshot(host)).remote!.refused).reduce((sum, count) => sum + count, 0);
  const before = await refused();
  const families = new Set<string>();
  const total = 300;
  for (let sent = 0; sent < total; sent++) {
    const { family, payload } = noise.next().value;
    families.add(family);
    const to = sent % 3 === 0 ? KeyPair.generate("module").publicKey : actor.id;
    const subject = between.write("actorRpc", { actor: to });
    const reply = await bus.request(subject, payload.subarray(0, bus.maxPayloadBytes), { timeoutMs: patienceMs });
    const { error } = unpack(reply.payload, family) as { error?: string };
    assert.notEqual(error ?? "", "", family);
  }
  // There are no replays: nothing was recorded.
  assert.equal(families.size, hostileFamilies.length - 1);
  assert.equal((await refused()) - before, total);
  assert.equal(await call("Echo", "well"), "well");

  // Whoever answers in its place fails calls, and no more than those.
  const answers = hostileMessages({ seed: 8, target, lattice: "default", cluster });
  const subject = between.write("providerRpc", { provider: provider.id, linkName: "default" });
  const liar = bus.subscribe(subject, (message) => {
    const { payload } = answers.next().value;
    message.respond(payload.subarray(0, bus.maxPayloadBytes));
  });
  await bus.flush();
  for (let turn = 0; turn < 60; turn++) assert.match(await call("Echo", "perhaps"), /^(perhaps|error: )/);
  liar.unsubscribe();
  await bus.flush();
  await until(async () => (await call("Echo", "again")) === "again", patienceMs);
  assert.equal(host.state, "running");
});

natsTest("hostile entries that were written past every client are left out, in all buckets of a lattice", async () => {
  await using lattice = await ControlLattice.start();
  const host = await lattice.host({ logLevel: "silent" });
  const store = await host.startProvider("builtin:keyvalue-memory");
  const actor = await host.startActor(edgeActor({}));
  await host.link(actor, store);
  const { bus } = lattice.client;
  const metadata = lattice.client.state(metadataBucket("default"));
  await until(async () => (await metadata.list("*")).length >= 3, patienceMs);
  const cluster = KeyPair.fromSeed(lattice.clusterSeed, "cluster");
  const noise = hostileMessages({ seed: 9, target: actorEntity(actor.id), lattice: "default", cluster });
  const dice = new Dice(10);
  const odd = ["", "x", "*", "..", "%00", "ü", "__proto__", "constructor", "a".repeat(900), `$${"b".repeat(40)}`];
  const beginnings = ["LINKDEF_", "CLAIMS_", "REFMAP_", "CONFIG_", "", `${actor.id}_`];
  const headers = () => {
    const operation = dice.pick(["", "DEL", "PURGE", "PUT", "\u0007"]);
    return operation === "" ? {} : { headers: new Map([["KV-Operation", [operation]]]) };
  };
  for (let sent = 0; sent < 1_000; sent++) {
    const bucket = dice.pick([metadataBucket("default"), configurationBucket("default")]);
    const subject = `$KV.${bucket}.${dice.pick(beginnings)}${dice.pick(odd)}`;
    // What is no subject no server takes.
    if (/[*\s]|\.\.|\.$/.test(subject)) continue;
    bus.publish(subject, noise.next().value.payload.subarray(0, 500_000), headers());
  }
  await bus.flush();
  const last = KeyPair.generate("module").publicKey;
  await metadata.put(`CLAIMS_${last}`, Buffer.from(JSON.stringify({ subject: last, name: "Last" })));
  await until(async () => JSON.stringify(await host.member!.claims.list()).includes(last), patienceMs);
  const { claims } = (await lattice.ask("get.claims")) as { claims: { sub: string }[] };
  assert.deepEqual(claims.map(({ sub }) => sub).toSorted(), [actor.id, store.id, last].toSorted());
  const { links } = (await lattice.ask("get.links")) as { links: { actor_id: string }[] };
  assert.deepEqual(
    links.map(({ actor_id }) => actor_id),
    [actor.id],
  );
  // A host that comes now reads them all at its start.
  const second = await lattice.host({ logLevel: "silent" });
  await until(async () => JSON.stringify(await second.member!.claims.list()).includes(last), patienceMs);
  assert.equal((await second.member!.claims.list()).length, 3);
  const answer = await second.call(actor.id, "Echo", Buffer.from("well"), { timeoutMs: patienceMs });
  assert.equal(Buffer.from(answer).toString(), "well");
});
