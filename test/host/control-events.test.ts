import assert from "node:assert/strict";
import { test } from "node:test";
import { startHost } from "../../host/index.ts";
import { EventsOut } from "../../host/membership/events-out.ts";
import { builtins } from "../../capabilities/index.ts";
import { type Bus, KeyPair, metadataBucket, Subjects } from "../../lattice/index.ts";
import { obedient } from "../support/actors.ts";
import { ControlLattice, type SeenEvent } from "../support/control-client.ts";
import { ask, start } from "../support/journey.ts";
import { natsTest } from "../support/nats-server.ts";
import { until } from "../support/until.ts";

const { key, contractId } = builtins.get("builtin:keyvalue-memory")!;

natsTest("every event goes out twice with one id, whole as 0.82 writes it", async () => {
  await using lattice = await ControlLattice.start();
  const named: SeenEvent[] = [];
  lattice.client.bus.subscribe("wasmbus.evt.default.provider_started", ({ payload }) => {
    named.push(JSON.parse(Buffer.from(payload).toString()) as SeenEvent);
  });
  const host = await lattice.host();
  const begun = await lattice.event("host_started");
  const { labels, friendly_name, uptime_seconds, version } = begun.data;
  assert.deepEqual([labels, friendly_name, uptime_seconds], [host.labels.all, host.name, 0]);
  assert.equal(typeof version, "string");
  await host.startProvider("builtin:keyvalue-memory");
  const started = await lattice.event("provider_started");
  await until(() => named.length === 1);
  assert.deepEqual(named[0], started);
  const { specversion, type, source, datacontenttype, time } = started as unknown as Record<string, string>;
  assert.deepEqual(
    [specversion, type, source, datacontenttype],
    ["1.0", "com.wasmcloud.lattice.provider_started", host.id, "application/json"],
  );
  assert.match(time!, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/);
});

natsTest(
  "a heartbeat is the inventory, comes when a host joins and then at every beat, with the health of providers",
  async () => {
    await using lattice = await ControlLattice.start();
    const beats: SeenEvent[] = [];
    lattice.client.bus.subscribe("wasmbus.evt.default.host_heartbeat", ({ payload }) => {
      beats.push(JSON.parse(Buffer.from(payload).toString()) as SeenEvent);
    });
    const host = await lattice.host({ heartbeatMs: 300 });
    await until(() => beats.length > 0);
    await host.startProvider("builtin:keyvalue-memory", { annotations: { a: "b" } });
    await start(host, obedient({ name: "Echo", revision: 2 }), { annotations: { c: "d" }, instances: 3 });
    await lattice.event("health_check_status", ({ data }) => data["public_key"] === key);
    const beat = await until(() => beats.find(({ data }) => (data["actors"] as unknown[]).length === 1));
    const inventory = await lattice.ask(`get.${host.id}.inv`);
    const { actors, providers, labels, friendly_name } = beat.data;
    assert.deepEqual(
      { actors: rows(actors), providers: rows(providers), labels, friendly_name },
      {
        actors: rows(inventory["actors"]),
        providers: rows(inventory["providers"]),
        labels: host.labels.all,
        friendly_name: host.name,
      },
    );
    for (const name of ["version", "uptime_human"]) assert.equal(typeof beat.data[name], "string", name);
    assert.equal(typeof beat.data["uptime_seconds"], "number");
  },
);

natsTest(
  "claims and references are shared with their token, and those of a host that is gone are still listed",
  async () => {
    await using lattice = await ControlLattice.start();
    const [a, b] = [await lattice.host(), await lattice.host()];
    const bucket = lattice.client.state(metadataBucket("default"));
    const actor = await start(
      a,
      obedient({ name: "Echo", callAlias: "x/echo", tags: ["t"], capabilities: ["wasmcloud:keyvalue"] }),
      {
        reference: "127.0.0.1:1/echo:1",
      },
    );
    const entry = await until(async () => await bucket.get(`CLAIMS_${actor.id}`));
    const stored = JSON.parse(Buffer.from(entry.value).toString()) as Record<string, unknown>;
    assert.deepEqual(
      [
        stored["subject"],
        stored["name"],
        stored["call_alias"],
        stored["capabilities"],
        stored["tags"],
        stored["revision"],
      ],
      [actor.id, "Echo", "x/echo", ["wasmcloud:keyvalue"], ["t"], "0"],
    );
    await until(() => b.member!.claims.get(actor.id)?.name === "Echo");
    const reference = Buffer.from("127.0.0.1:1/echo:1").toString("base64url");
    const mapped = await until(async () => await bucket.get(`REFMAP_${reference}`));
    assert.deepEqual(JSON.parse(Buffer.from(mapped.value).toString()), {
      oci_url: "127.0.0.1:1/echo:1",
      public_key: actor.id,
    });
    await a.stop();
    const { claims } = (await lattice.ask("get.claims")) as { claims: Record<string, string>[] };
    const listed = claims.find(({ sub }) => sub === actor.id)!;
    assert.deepEqual(
      [
        listed["iss"],
        listed["issuer"],
        listed["caps"],
        listed["capabilities"],
        listed["tags"],
        listed["rev"],
        listed["version"],
      ],
      [stored["issuer"], stored["issuer"], "wasmcloud:keyvalue", "wasmcloud:keyvalue", "t", "0", ""],
    );
  },
);

natsTest("stored claims that no token proves, or that are another's, are believed by nobody", async () => {
  await using lattice = await ControlLattice.start();
  const host = await lattice.host();
  const bucket = lattice.client.state(metadataBucket("default"));
  const [victim, forger] = [KeyPair.generate("module").publicKey, KeyPair.generate("module")];
  const echo = await start(host, obedient({ name: "Echo", module: forger }));
  const { value } = await until(async () => await bucket.get(`CLAIMS_${echo.id}`));
  const { jwt } = JSON.parse(Buffer.from(value).toString()) as { jwt: string };
  const row = {
    subject: victim,
    name: "Victim",
    issuer: "A",
    call_alias: "x/y",
    capabilities: [],
    tags: [],
    revision: "1",
    version: "",
  };
  await bucket.put(`CLAIMS_${victim}`, Buffer.from(JSON.stringify({ ...row, jwt })));
  await bucket.put(`CLAIMS_${"M".padEnd(56, "A")}`, Buffer.from("{not json"));
  const { claims } = (await until(async () => {
    const answer = await lattice.ask("get.claims");
    return JSON.stringify(answer).includes("Victim") && answer;
  })) as { claims: { sub: string }[] };
  assert.equal(claims.length, 2, "what is no claims at all is left out");
  assert.equal(host.member!.claims.get(victim), undefined);
});

natsTest("a host that comes later knows the links that stand, and its provider gets them", async () => {
  await using lattice = await ControlLattice.start();
  const first = await lattice.host();
  const actor = await start(first, obedient({ name: "Echo", capabilities: [contractId] }));
  const link = { actor_id: actor.id, provider_id: key, link_name: "default", contract_id: contractId, values: {} };
  assert.equal((await lattice.ask("linkdefs.put", link))["accepted"], true, "although nobody runs the provider yet");
  const second = await lattice.host();
  await second.startProvider("builtin:keyvalue-memory");
  await until(() => [...second.wanted.links.values()][0]?.spec.providerId !== undefined);
});

natsTest("hosts of one server but of two lattices do not see each other", async () => {
  await using lattice = await ControlLattice.start();
  const shop = await lattice.host();
  await using other = await startHost({
    nats: lattice.server.url,
    lattice: "other",
    presenceMs: 200,
    logLevel: "error",
  });
  await until(() => other.member!.report.status === "connected");
  const [record] = await lattice.all("ping.hosts");
  assert.equal(record!["id"], shop.id);
  assert.deepEqual([shop.member!.peers, other.member!.peers], [[], []]);
  assert.equal((await lattice.all("ping.hosts")).length, 1);
});

natsTest(
  "a server that goes away is told once, local work goes on, and all is made up for when it is back",
  async () => {
    await using lattice = await ControlLattice.start();
    const [a, b] = [await lattice.host(), await lattice.host()];
    const actor = await start(a, obedient({ name: "Echo" }));
    await lattice.server.stop();
    await until(() => a.member!.report.status !== "connected");
    assert.equal(await ask(a, actor, "Echo", "local"), "local");
    await a.stopActor(actor);
    await lattice.server.run();
    await until(() => [a, b].every(({ member }) => member!.report.status === "connected"));
    await until(() => a.member!.peers.length === 1 && b.member!.peers.length === 1);
    await until(() => b.member!.peers[0]!.actors.length === 0);
  },
);

void test("events while the server is away are published once it is there, in order and once", async () => {
  await using host = await startHost();
  const published: string[] = [];
  const bus = { status: "reconnecting", publish: (subject: string) => void published.push(subject) };
  const out = new EventsOut(host, bus as unknown as Bus, new Subjects("default"));
  host.labels.put("room", "1");
  assert.deepEqual(published, []);
  bus.status = "connected";
  out.flush();
  out.flush();
  assert.deepEqual(published, [
    "wasmbus.evt.default",
    "wasmbus.evt.default.host_started",
    "wasmbus.evt.default",
    "wasmbus.evt.default.labels_changed",
  ]);
  out.stop();
});

/** What does not change from one moment to the next. */
function rows(list: unknown): unknown {
  return (list as { instances?: Record<string, unknown>[] }[]).map(({ instances, ...row }) => ({
    ...row,
    instances: instances?.map(({ instance_id, annotations, image_ref, revision, max_instances }) => ({
      instance_id,
      annotations,
      image_ref,
      revision,
      max_instances,
    })),
  }));
}
