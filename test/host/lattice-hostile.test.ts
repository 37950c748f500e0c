import assert from "node:assert/strict";
import { test } from "node:test";
import { startHost } from "../../host/index.ts";
import { actorEntity, KeyPair, memoryConnection, MemoryServer, Subjects } from "../../lattice/index.ts";
import { attackEverySubject } from "../support/attack.ts";
import { edgeActor } from "../support/edge.ts";
import { hostileFamilies, hostileMessages } from "../support/hostile-messages.ts";
import { until } from "../support/until.ts";

const lattice = "shop";
const total = 10_000;
const patienceMs = 60_000;
/** What fits into a message for sure. */
const mostBytes = 500_000;
const subjects = new Subjects(lattice);

test(`${total} hostile messages on every subject that a host listens to end nothing, change nothing and are counted`, async () => {
  const server = new MemoryServer();
  await using client = memoryConnection(server);
  await attackEverySubject({ connection: memoryConnection(server), client }, total);
});

test("a host stops only for a request that names it", async () => {
  const server = new MemoryServer();
  await using host = await startHost({ lattice, connection: memoryConnection(server), logLevel: "silent" });
  await using client = memoryConnection(server);
  const subject = subjects.write("command", { host: host.id, command: "stop" });
  const ask = async (body: object) => {
    const { payload } = await client.bus.request(subject, Buffer.from(JSON.stringify(body)), { timeoutMs: 5_000 });
    return JSON.parse(Buffer.from(payload).toString()) as { accepted: boolean };
  };
  for (const body of [{}, { host_id: "" }, { host_id: 1 }, { host_id: KeyPair.generate("server").publicKey }])
    assert.equal((await ask(body)).accepted, false);
  assert.equal(host.state, "running");
  assert.equal((await ask({ host_id: host.id, timeout: 1_000 })).accepted, true);
  await until(() => host.state !== "running");
});

test("hostile answers of a config service start nothing and keep no host from its work", async () => {
  const server = new MemoryServer();
  await using client = memoryConnection(server);
  const answers = hostileMessages(noise(13));
  let answered = 0;
  client.bus.subscribe(subjects.write("configService"), (message) => {
    message.respond(answers.next().value.payload.subarray(0, mostBytes));
    answered++;
  });
  for (let turn = 1; turn <= 3 * hostileFamilies.length; turn++) {
    await using host = await startHost({
      lattice,
      connection: memoryConnection(server),
      configService: true,
      logLevel: "silent",
    });
    await until(() => answered === turn, patienceMs);
    const echo = await host.startActor(edgeActor());
    assert.equal(Buffer.from(await host.call(echo, "Echo", Buffer.from("well"))).toString(), "well");
    assert.equal(host.wanted.placements.size + host.wanted.providers.size, 1);
  }
});

test("hostile answers of a policy service permit nothing", async () => {
  const server = new MemoryServer();
  await using client = memoryConnection(server);
  const answers = hostileMessages(noise(14));
  const families = new Set<string>();
  client.bus.subscribe("policy.ask", (message) => {
    const { family, payload } = answers.next().value;
    families.add(family);
    message.respond(payload.subarray(0, mostBytes));
  });
  const policyService = { topic: "policy.ask", timeoutMs: patienceMs };
  const connection = memoryConnection(server);
  await using host = await startHost({ lattice, connection, policyService, logLevel: "silent" });
  const actor = edgeActor();
  for (let turn = 0; turn < 300; turn++) await assert.rejects(host.startActor(actor), { code: "POLICY_REFUSED" });
  assert.ok(families.size >= hostileFamilies.length - 1);
  assert.equal(host.wanted.placements.size, 0);
});

function noise(seed: number) {
  return {
    seed,
    target: actorEntity(KeyPair.generate("module").publicKey),
    lattice,
    cluster: KeyPair.generate("cluster"),
  };
}
