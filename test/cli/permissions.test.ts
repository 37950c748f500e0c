import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { startHost } from "../../host/index.ts";
import { connectNats, KeyPair, Subjects } from "../../lattice/index.ts";
import { archiveOf } from "../support/archives.ts";
import { Home } from "../support/cli.ts";
import { askHost, edgeActor } from "../support/edge.ts";
import { NatsServer, natsTest } from "../support/nats-server.ts";
import { until } from "../support/until.ts";

const patienceMs = 60_000;
const patient = { timeoutMs: patienceMs };
const topics = { topic: "rules.ask", changesTopic: "rules.changes" };

natsTest("two hosts, an archive, a policy service and a client work under the printed permissions", async () => {
  await using home = new Home();
  const policies = ["--policy-topic", topics.topic, "--policy-changes-topic", topics.changesTopic];
  const { stdout } = await home.run(["doctor", "--permissions", "--lattice", "shop", ...policies]);
  const users = [...stdout.matchAll(/^# lattice shop, (\w+):.*\n(permissions \{[^}]*\})/gm)].map(
    ([, role, permissions]) => `{ user: ${role}, password: x, ${permissions} }`,
  );
  assert.equal(users.length, 4);
  // Programs of archives are told no passwords.
  const config = `no_auth_user: provider\nauthorization { users: [\n${users.join("\n")}\n{ user: judge, password: x }\n] }`;
  await using server = await NatsServer.start({ config });
  const as = (user: string) => ({ servers: server.url, user, password: "x" });
  await using judge = await connectNats(as("judge"));
  const asked = new Set<string>();
  judge.bus.subscribe(topics.topic, (message) => {
    const { requestId, action } = JSON.parse(Buffer.from(message.payload).toString()) as Record<string, string>;
    asked.add(action!);
    message.respond(Buffer.from(JSON.stringify({ requestId, permitted: true, message: "" })));
  });
  await judge.bus.flush();

  const folder = mkdtempSync(join(tmpdir(), "lattice-permissions-"));
  using _folder = { [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
  const clusterSeed = KeyPair.generate("cluster").seed;
  const enter = () =>
    startHost({
      nats: { rpc: as("host"), provider: as("provider") },
      lattice: "shop",
      clusterSeed,
      stateDirectory: folder,
      policyService: { ...topics, timeoutMs: patienceMs },
      presenceMs: 1_000,
      limits: { cpuMs: 20_000, rpcTimeoutMs: patienceMs },
      logLevel: "silent",
    });
  await using here = await enter();
  await using there = await enter();
  await until(() => here.member?.peers.length === 1 && there.member?.peers.length === 1, patienceMs);
  const file = join(folder, "archived.par");
  writeFileSync(file, archiveOf());
  const provider = await there.startProvider(file);
  const actor = await here.startActor(edgeActor({ capabilities: ["demo:archive"] }));
  await until(() => here.member?.peers[0]?.providers.length === 1, patienceMs);
  await here.link(actor.id, provider.id);
  await until(() => there.wanted.links.size === 1, patienceMs);
  await until(() => there.member?.peers[0]?.actors.length === 1, patienceMs);
  const ask = async (operation: string, payload: string) =>
    Buffer.from(await here.call(actor, "Call", askHost("demo:archive", operation, payload), patient)).toString();
  assert.equal(await ask("Echo", "hello"), "hello");
  assert.equal(await ask("Ask", "well"), "well");
  const about = JSON.parse(await ask("About", "")) as { host: { lattice_rpc_prefix: string } };
  assert.match(about.host.lattice_rpc_prefix, /^shop\.archive_/);
  const large = Buffer.alloc(1_500_000, "x");
  assert.ok(large.equals(await there.call(actor.id, "Echo", large, patient)), "a large payload between hosts");
  assert.match(await ask("Echo", large.toString()), /1500000 bytes, more than the limit of 921600/);

  await using client = await connectNats(as("client"));
  await client.bus.request(new Subjects("shop").write("getLinks"), new Uint8Array(), patient);
  assert.deepEqual([...asked].toSorted(), ["perform_invocation", "start_actor", "start_provider"]);
  const violations = server.log.split("\n").filter((line) => line.includes("Violation"));
  // The archive asks whether it may have a lattice of its own.
  const others = violations.filter((line) => !/"wasmbus\.rpc\.archive_\w+\.MA+"/.test(line));
  assert.deepEqual(others, []);
});

test("permissions for policies are printed for subjects only", async () => {
  await using home = new Home();
  for (const subject of [">", "rules.*", 'a"b', "a b"]) {
    const { code, stdout } = await home.run(["doctor", "--permissions", "--policy-topic", subject]);
    assert.deepEqual([code, stdout], [2, ""]);
  }
});
