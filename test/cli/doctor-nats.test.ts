import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { examine } from "../../cli/doctor/checks.ts";
import { thisMachine } from "../../cli/doctor/machine.ts";
import { permissionsOf, permissionsText, type Role } from "../../cli/doctor/permissions.ts";
import {
  controlSubscriptions,
  KeyPair,
  metadataBucket,
  payloadStore,
  secretsBucket,
  Subjects,
} from "../../lattice/index.ts";
import { Home } from "../support/cli.ts";
import { watchedConnection, type WatchedConnection } from "../support/nats-connections.ts";
import { natsSkip, NatsServer } from "../support/nats-server.ts";

async function found(url: string) {
  const machine = { ...(await thisMachine(0, false)), nats: { name: "nats", value: url, origin: "$NATS_URL" } };
  const [finding] = await examine(machine, ["nats"]);
  return finding!;
}

void describe("doctor about NATS", { skip: natsSkip() }, () => {
  void test("a server with JetStream is well; one without, a locked one and an absent one are named", async () => {
    await using server = await NatsServer.start({ config: "max_payload: 300000" });
    const { status, message } = await found(server.url);
    assert.equal(status, "ok");
    assert.match(
      message,
      /127\.0\.0\.1:\d+ \(from \$NATS_URL\) answers: NATS \d\S+, payloads up to 300000 bytes, with/,
    );
    await using plain = await NatsServer.start({ jetStream: false });
    const poor = await found(plain.url);
    assert.deepEqual([poor.status, /without JetStream/.test(poor.message)], ["warning", true]);
    await using locked = await NatsServer.start({ config: `authorization { user: me, password: right }` });
    const refused = await found(`nats://me:hidden@127.0.0.1:${locked.port}`);
    assert.equal(refused.status, "error");
    assert.match(refused.message, /refuses this user.*Authorization Violation/);
    assert.ok(!JSON.stringify(refused).includes("hidden"));
    await plain.stop();
    const absent = await found(plain.url);
    assert.deepEqual([absent.status, /does not answer.*ECONNREFUSED/.test(absent.message)], ["error", true]);
  });

  void test("each role can do its work with the permissions printed for it, and no more", async () => {
    const all = permissionsOf("shop");
    const users = Object.entries(all).map(([role, { publish, subscribe }]) => {
      const allowed = JSON.stringify({ publish, subscribe });
      return `{ user: ${role}, password: x, permissions: ${allowed} }`;
    });
    await using server = await NatsServer.start({ config: `authorization { users: [${users.join("\n")}] }` });
    const as = async (user: Role): Promise<WatchedConnection> => {
      const connection = await watchedConnection({ servers: server.url, user, password: "x" });
      await connection.connected();
      return connection;
    };
    await using host = await as("host");
    await using client = await as("client");
    await using observer = await as("observer");
    const subjects = new Subjects("shop");
    const key = KeyPair.generate("server").publicKey;
    for (const { pattern, queue } of controlSubscriptions(subjects, key))
      host.bus.subscribe(
        pattern,
        (message) => void message.respond(message.payload),
        queue === undefined ? {} : { queue },
      );
    await host.bus.flush();
    const state = host.state(metadataBucket("shop"));
    await state.put("LINKDEF_x", new Uint8Array(1));
    const watch = await state.watch(">", () => {});
    watch.stop();
    assert.equal((await state.list()).length, 1);
    const blobs = host.blobs(payloadStore("shop"));
    await blobs.put("x", new Uint8Array(300_000));
    assert.equal((await blobs.get("x", 300_000))?.length, 300_000);
    await blobs.delete("x");
    for (const each of [client, observer])
      await each.bus.request(subjects.write("pingHosts"), new Uint8Array(), { timeoutMs: 5_000 });
    const secrets = client.state(secretsBucket("shop"));
    await secrets.put("x", new Uint8Array(1));
    assert.equal((await secrets.list()).length, 1);
    await secrets.delete("x");
    assert.equal(await host.state(secretsBucket("shop")).get("x"), undefined);
    await client.bus.request(subjects.write("putLink"), new Uint8Array(), { timeoutMs: 5_000 });
    assert.deepEqual(
      [host, client, observer].flatMap(({ problems }) => problems),
      [],
    );
    const refused = { code: "NATS_PERMISSION" };
    const ask = async (who: WatchedConnection, subject: string) =>
      await who.bus.request(subject, new Uint8Array(), { timeoutMs: 5_000 });
    await assert.rejects(ask(observer, subjects.write("putLink")), refused);
    await assert.rejects(ask(client, new Subjects("other").write("pingHosts")), refused);
    await assert.rejects(host.state(metadataBucket("other")).get("x"), { code: "STATE_UNAVAILABLE" });
  });
});

void test("the permissions are printed for the lattice asked for, as configuration and as JSON", async () => {
  await using home = new Home();
  const { stdout } = await home.run(["doctor", "--permissions", "--lattice", "shop"]);
  assert.equal(stdout.trim(), permissionsText("shop", permissionsOf("shop")));
  const json = await home.run(["doctor", "--permissions", "--lattice", "shop", "-o", "json"]);
  const { roles } = JSON.parse(json.stdout) as { roles: Record<string, { publish: string[] }> };
  assert.deepEqual(Object.keys(roles), ["host", "client", "observer", "provider"]);
  assert.ok(Object.values(roles).every(({ publish }) => publish.length > 0));
});
