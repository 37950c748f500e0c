import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { natsMessaging } from "../../capabilities/index.ts";
import { KeyPair } from "../../lattice/index.ts";
import { messagingSuite } from "../../testing/index.ts";
import { localhostTls } from "../support/localhost-tls.ts";
import { Room } from "../support/messaging-room.ts";
import { watchedConnection } from "../support/nats-connections.ts";
import { freePort } from "../support/free-port.ts";
import { NatsServer, natsSkip } from "../support/nats-server.ts";
import { userTokens } from "../support/nats-tokens.ts";
import { until } from "../support/until.ts";

const skip = natsSkip();
const secret = "hunter2-very-secret";
let server: NatsServer;
before(async () => {
  if (skip === false) server = await NatsServer.start({ jetStream: false });
});
after(() => server?.[Symbol.asyncDispose]());

messagingSuite(
  "NATS",
  () => ({
    provider: natsMessaging(),
    values: { URI: server.url },
    server: { kill: () => server.kill(), start: () => server.run() },
  }),
  { skip },
);

/** Whether an actor behind these values hears what it publishes itself. */
async function echoes(values: Record<string, string>): Promise<void> {
  const room = new Room(natsMessaging({ url: `nats://127.0.0.1:${await freePort()}` }), values);
  try {
    await room.join("sender", { SUBSCRIPTION: "s" });
    await until(async () => (await room.messaging.health?.())?.healthy);
    room.publish("s", "x");
    await until(() => room.got.length === 1);
    assert.deepEqual(await room.messaging.health?.(), { healthy: true });
  } finally {
    await room.messaging.stop?.();
  }
}

const json = (config: object): Record<string, string> => ({ config_json: JSON.stringify(config) });

void describe("messaging over NATS", { skip }, () => {
  void test("links are configured by the names that users of earlier hosts know", async () => {
    const { port } = server;
    await echoes({ URI: `127.0.0.1:${port}` });
    await echoes({ URL: `nats://127.0.0.1:${await freePort()}, ${server.url}` });
    await echoes(json({ cluster_uris: [server.url], ping_interval_sec: 10, custom_inbox_prefix: "_MINE" }));
    await echoes({ config_b64: Buffer.from(JSON.stringify({ cluster_uris: [server.url] })).toString("base64") });
  });

  void test("a user's key, token and credentials file are shown to the server", async () => {
    const tokens = userTokens();
    await using guarded = await NatsServer.start({ jetStream: false, config: tokens.serverConfig });
    const creds = guarded.file("user.creds", tokens.creds);
    await echoes({ URI: guarded.url, CLIENT_JWT: tokens.jwt, CLIENT_SEED: tokens.seed });
    await echoes({ URI: guarded.url, CREDSFILE: creds });
    await echoes(json({ cluster_uris: [guarded.url], auth_jwt: tokens.jwt, auth_seed: tokens.seed }));
    const standard = new Room(natsMessaging({ url: guarded.url, credsFile: creds }));
    await standard.join("sender");
    assert.deepEqual(await standard.messaging.health?.(), { healthy: true });
    await standard.join("sender", { URI: guarded.url });
    const { healthy, message } = (await standard.messaging.health?.()) ?? {};
    assert.equal(healthy, false, "a server that a link names is not shown the provider's own credentials");
    assert.match(message ?? "", /Authorization Violation/);
    await standard.messaging.stop?.();
  });

  void test("a key without a token, and user and password in the address", async () => {
    const pair = KeyPair.generate("user");
    const users = `{ nkey: ${pair.publicKey} }, { user: me, password: "${secret}" }`;
    await using guarded = await NatsServer.start({ jetStream: false, config: `authorization { users: [${users}] }` });
    await echoes({ URI: guarded.url, CLIENT_SEED: pair.seed });
    await echoes({ URI: `nats://me:${secret}@127.0.0.1:${guarded.port}` });
  });

  void test("authorities come as text or as a file, and then the connection is encrypted", async () => {
    await using secure = await NatsServer.start({ jetStream: false });
    const [cert, key] = [secure.file("cert.pem", localhostTls.cert), secure.file("key.pem", localhostTls.key)];
    secure.configure(`tls { cert_file: "${cert}", key_file: "${key}" }`);
    await secure.restart();
    await echoes({ URI: secure.url, TLS_CA: localhostTls.cert });
    await echoes({ URI: secure.url, TLS_CA_FILE: cert });
    await echoes(json({ cluster_uris: [secure.url], tls_ca_file: cert }));
  });

  void test("every problem of the values is told at once, and a secret never", async () => {
    const room = new Room(natsMessaging());
    const values = {
      URI: `http://u:${secret}@h`,
      CLIENT_SEED: secret,
      CREDSFILE: "/nowhere/user.creds",
      SUBSCRIPTION: "a..b",
      config_json: `{"ping_interval_sec":"${secret}","custom_inbox_prefix":"a b","auth_jwt":1}`,
    };
    await assert.rejects(room.join("a", values), (error: Error & { code?: string }) => {
      assert.equal(error.code, "LINK_VALUES_INVALID");
      for (const name of ["a..b", "URI", "CLIENT_SEED", "CREDSFILE", "ping_interval", "custom_inbox", "auth_jwt"])
        assert.ok(error.message.includes(name), `${name} in ${error.message}`);
      return !error.message.includes(secret);
    });
    await assert.rejects(room.join("a", { CLIENT_JWT: "x" }), { message: /CLIENT_JWT needs the CLIENT_SEED/ });
    await assert.rejects(room.join("a", { URI: server.url, URL: "nats://other" }), { message: /given twice/ });
    assert.throws(() => natsMessaging({ url: `http://${secret}` }), { code: "OPTION_OUT_OF_RANGE" });
  });

  void test("links with the same server and credentials share one connection, others have their own", async () => {
    await using own = await NatsServer.start({ jetStream: false, config: `http: "127.0.0.1:${await freePort()}"` });
    const room = new Room(natsMessaging());
    const count = () => [...own.log.matchAll(/Client connection created/g)].length;
    own.configure(`debug: true`);
    await own.restart();
    const before = count();
    const a = await room.join("a", { URI: own.url });
    const b = await room.join("b", { URI: own.url, SUBSCRIPTION: "s" });
    const c = await room.join("c", { URI: `nats://u:p@127.0.0.1:${own.port}` });
    await room.join("b", { URI: own.url, SUBSCRIPTION: "s" }, { revision: 2 });
    await until(() => count() - before >= 2);
    for (const link of [a, b]) await room.messaging.deleteLink?.(link);
    await until(() => /Client connection closed/.test(own.log));
    await room.messaging.deleteLink?.(c);
    await room.messaging.stop?.();
    assert.equal(count() - before, 2);
  });

  void test("hosts share the messages of a queue group, and one that drains leaves them to the other", async () => {
    const hosts = [0, 1].map(() => new Room(natsMessaging(), { URI: server.url }));
    for (const room of hosts) await room.join("worker", { SUBSCRIPTION: "shared|workers" });
    await using outside = await watchedConnection({ servers: server.url });
    await outside.connected();
    const total = () => hosts.reduce((sum, room) => sum + room.got.length, 0);
    const send = async (texts: number) => {
      const target = total() + texts;
      for (let i = 0; i < texts; i++) outside.bus.publish("shared", Buffer.from(String(i)));
      await until(() => total() >= target);
      await outside.bus.flush();
      assert.equal(total(), target);
    };
    await send(60);
    assert.ok(hosts.every((room) => room.got.length > 0));
    outside.bus.publish("shared", Buffer.from("while it drains"));
    await hosts[0]!.messaging.drain?.();
    await until(() => total() === 61);
    const mine = hosts[0]!.got.length;
    await send(20);
    assert.equal(hosts[0]!.got.length, mine);
    for (const room of hosts) await room.messaging.stop?.();
  });

  void test("a link that moves to another server loses nothing that was sent before on either", async () => {
    await using other = await NatsServer.start({ jetStream: false });
    const room = new Room(natsMessaging());
    await room.join("a", { URI: server.url, SUBSCRIPTION: "move" });
    await using here = await watchedConnection({ servers: server.url });
    await using there = await watchedConnection({ servers: other.url });
    await Promise.all([here.connected(), there.connected()]);
    here.bus.publish("move", Buffer.from("old"));
    await here.bus.flush();
    await room.join("a", { URI: other.url, SUBSCRIPTION: "move" });
    there.bus.publish("move", Buffer.from("new"));
    await until(() => room.got.length === 2);
    assert.deepEqual(room.texts("a"), ["move: old", "move: new"]);
    await assert.rejects(here.bus.request("move", Buffer.from("gone"), { timeoutMs: 1_000 }), {
      code: "NO_RESPONDERS",
    });
    await room.messaging.stop?.();
  });

  void test("a trace goes on across NATS", async () => {
    const room = new Room(natsMessaging(), { URI: server.url });
    await room.join("a", { SUBSCRIPTION: "traced" });
    let traced: unknown;
    room.context.invoke = async (_link, _operation, _payload, options) => {
      traced = options?.trace;
      return new Uint8Array(0);
    };
    const trace = { traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01" };
    await using outside = await watchedConnection({ servers: server.url });
    await outside.connected();
    outside.bus.publish("traced", new Uint8Array(0), { headers: new Map([["traceparent", [trace.traceparent]]]) });
    assert.deepEqual(await until(() => traced), trace);
    await room.messaging.stop?.();
  });

  void test("messages over the bound of a link are lost and counted, and the others go on", async () => {
    const room = new Room(natsMessaging({ maxPending: 3 }), { URI: server.url });
    await room.join("sender");
    await room.join("slow", { SUBSCRIPTION: "s" });
    await room.join("quick", { SUBSCRIPTION: "s, end" });
    let free = false;
    room.onMessage = ({ actor }) => (actor === "slow" ? until(() => free) : undefined);
    for (let i = 0; i < 10; i++) {
      room.publish("s", String(i));
      await until(() => room.texts("quick").length === i + 1);
    }
    free = true;
    await until(() => room.context.lines.length === 2);
    assert.match(room.context.lines[0]!.text, /messages for slow are lost: 3 already wait/);
    assert.match(room.context.lines[1]!.text, /7 messages for slow were lost/);
    assert.deepEqual(room.texts("slow"), ["s: 0", "s: 1", "s: 2"]);
    await room.messaging.stop?.();
  });

  void test("a server that is away fails calls at once and by name, and comes back by itself", async () => {
    await using late = await NatsServer.start({ jetStream: false });
    const room = new Room(natsMessaging(), { URI: `nats://shop:${secret}@127.0.0.1:${late.port}` });
    const away = (error: Error & { code?: string }) => {
      assert.equal(error.code, "SERVER_UNAVAILABLE");
      assert.match(error.message, new RegExp(`NATS at 127.0.0.1:${late.port} is unavailable`));
      return !error.message.includes(secret);
    };
    const well = async () => (await room.messaging.health?.())?.healthy === true;
    await late.kill();
    await room.join("sender", { SUBSCRIPTION: "s" });
    assert.throws(() => room.publish("s", "x"), away);
    await assert.rejects(room.request("s", "x", 9_000), away);
    assert.equal(await well(), false);
    for (let round = 1; round <= 2; round++) {
      await late.run();
      await until(well);
      room.publish("s", `round ${round}`);
      await until(() => room.got.length === round);
      await late.kill();
      await until(async () => !(await well()));
      assert.throws(() => room.publish("s", "x"), away);
    }
    assert.deepEqual(room.texts("sender"), ["s: round 1", "s: round 2"]);
    assert.ok(room.context.lines.every(({ text }) => !text.includes(secret)));
    await room.messaging.stop?.();
  });

  void test("a link that is put and deleted while its server is slow to answer leaves nothing behind", async () => {
    const room = new Room(natsMessaging(), { URI: server.url });
    const joining = room.join("a", { SUBSCRIPTION: "left" });
    await room.messaging.deleteLink?.(room.link("a"));
    await joining;
    await using outside = await watchedConnection({ servers: server.url });
    await outside.connected();
    await assert.rejects(outside.bus.request("left", new Uint8Array(0), { timeoutMs: 1_000 }), {
      code: "NO_RESPONDERS",
    });
    assert.throws(() => room.publish("s", "x", "", room.link("a")), { code: "LINK_ABSENT" });
    await room.messaging.stop?.();
  });
});
