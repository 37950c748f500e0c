import assert from "node:assert/strict";
import { test } from "node:test";
import { startHost } from "../../host/index.ts";
import { inventory } from "../../host/inventory.ts";
import { controlSubscriptions, KeyPair, memoryConnection, MemoryServer, Subjects } from "../../lattice/index.ts";
import { obedient } from "../support/actors.ts";
import { start } from "../support/journey.ts";
import { until } from "../support/until.ts";

const subjects = new Subjects("default");

/** Bytes that no client means. */
const payloads: readonly (string | Uint8Array)[] = [
  "",
  "null",
  "[]",
  "7",
  '"text"',
  "{not json",
  "{}",
  `${"[".repeat(5_000)}${"]".repeat(5_000)}`,
  `{"a":${'{"a":'.repeat(5_000)}1${"}".repeat(5_000)}}`,
  JSON.stringify({ actor_ref: 7, count: "many", annotations: [], host_id: {} }),
  JSON.stringify({ actor_ref: "x".repeat(100_000), count: 1 }),
  JSON.stringify({ actor_ref: "x/y:1", count: -1 }),
  JSON.stringify({ actor_ref: "x/y:1", count: 1e300 }),
  JSON.stringify({ actor_ref: "x/y:1", count: 1, annotations: { a: { b: 1 } } }),
  JSON.stringify({ provider_ref: "builtin:keyvalue-memory", link_name: "a.b c", configuration: "{" }),
  JSON.stringify({ provider_ref: "builtin:keyvalue-memory", configuration: "[1]" }),
  JSON.stringify({ actor_id: "M", provider_id: "V", contract_id: "c", link_name: "default", values: { a: 1 } }),
  JSON.stringify({ __proto__: { accepted: true }, constructor: 1, host_id: "N" }),
  JSON.stringify({ key: "hostcore.os", value: "x" }),
  JSON.stringify({ key: "k".repeat(1_000), value: "x" }),
  JSON.stringify({ "registry.example": "text" }),
  JSON.stringify({ actor_ref: "x", constraints: "all" }),
  Uint8Array.of(0xff, 0xfe, 0x00, 0x80),
  Buffer.alloc(900_000, "a"),
];

void test("whatever comes on a subject of the control interface, the host answers or is silent, and stays as it was", async () => {
  const server = new MemoryServer();
  await using host = await startHost({ connection: memoryConnection(server), logLevel: "silent" });
  await start(host, obedient({ name: "Echo" }));
  const { bus } = memoryConnection(server);
  const entity = KeyPair.generate("module").publicKey;
  const before = JSON.stringify(shape(await inventory(host)));
  const asked = controlSubscriptions(subjects, host.id).flatMap(({ pattern }) =>
    [
      "scale",
      "la",
      "sa",
      "upd",
      "lp",
      "sp",
      "put",
      "del",
      "actor",
      "claims",
      `put.${entity}.k`,
      `del.${entity}`,
      "x.y",
    ].map((word) => pattern.replace(/\*$/, word.split(".")[0]!).replace(/>$/, word)),
  );
  let answers = 0;
  for (const subject of new Set(asked)) {
    for (const payload of payloads) {
      const bytes = typeof payload === "string" ? Buffer.from(payload) : payload;
      bus.publish(subject, bytes, { reply: "_INBOX.hostile" });
    }
  }
  const heard = bus.subscribe("_INBOX.hostile", ({ payload }) => {
    const answer = JSON.parse(Buffer.from(payload).toString()) as { accepted?: boolean; error?: string };
    if (answer.accepted === false) assert.notEqual(answer.error, "");
    answers++;
  });
  await until(() => answers > 500);
  heard.unsubscribe();
  const pong = await bus.request(subjects.write("pingHosts"), new Uint8Array(), { timeoutMs: 5_000 });
  assert.match(Buffer.from(pong.payload).toString(), new RegExp(host.id));
  assert.equal(host.state, "running");
  // Providers that may be started by a request that is odd and valid are not what this is about.
  assert.equal(JSON.stringify(shape(await inventory(host))), before);
  assert.equal(host.wanted.links.size, 0);
});

void test("verbs and announcements from anybody are refused one by one", async () => {
  const server = new MemoryServer();
  await using host = await startHost({ connection: memoryConnection(server), logLevel: "silent" });
  const { bus } = memoryConnection(server);
  const stranger = KeyPair.generate("server").publicKey;
  const forged = {
    host: stranger,
    name: "x",
    version: "1",
    labels: {},
    hello: "",
    places: [],
    rpc: "both",
    draining: false,
  };
  for (const payload of [
    ...payloads,
    JSON.stringify({ ...forged, actors: [], providers: [], everyMs: 1, at: Date.now() }),
  ]) {
    const bytes = typeof payload === "string" ? Buffer.from(payload) : payload;
    bus.publish(subjects.write("presence"), bytes, { headers: new Map([["Lattice-Signature", ["AAAA"]]]) });
    bus.publish(subjects.write("verb", { host: host.id, verb: "start.actor" }), bytes, { reply: "_INBOX.none" });
  }
  const { payload } = await bus.request(subjects.write("verb", { host: host.id, verb: "health" }), new Uint8Array(), {
    timeoutMs: 5_000,
  });
  assert.match(Buffer.from(payload).toString(), /"success":true/);
  assert.deepEqual(host.member!.peers, []);
  assert.equal(host.wanted.placements.size, 0);
});

function shape({ actors, labels }: Awaited<ReturnType<typeof inventory>>): object {
  return {
    labels,
    actors: actors.map(({ id, instances }) => ({ id, scale: instances.map((row) => row.max_instances) })),
  };
}
