import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import { KeyPair } from "../../lattice/index.ts";
import type { NatsOptions } from "../../lattice/index.ts";
import { localhostTls } from "../support/localhost-tls.ts";
import { watchedConnection } from "../support/nats-connections.ts";
import { NatsServer, natsSkip } from "../support/nats-server.ts";
import { userTokens } from "../support/nats-tokens.ts";
import { until } from "../support/until.ts";

const secret = "hunter2-very-secret";

async function answers(options: NatsOptions): Promise<void> {
  await using connection = await watchedConnection(options);
  await connection.connected();
  connection.bus.subscribe("echo", (message) => void message.respond(message.payload));
  await connection.bus.request("echo", new Uint8Array(), { timeoutMs: 5_000 });
  assert.deepEqual(connection.problems, []);
  assert.ok(!inspect([connection.describe(), connection], { depth: 5 }).includes(secret));
}

async function refused(options: NatsOptions, code: string, why: RegExp): Promise<void> {
  await using connection = await watchedConnection(options);
  const [problem] = await until(() => connection.problems.length > 0 && connection.problems);
  assert.equal(problem!.code, code, problem!.message);
  assert.match(problem!.message, why);
  assert.equal(connection.bus.status, "connecting");
  assert.equal(connection.describe().problem, problem!.message);
  // It is tried again, and told once.
  const told = JSON.stringify(connection.problems.map((each) => each.toWire()));
  assert.ok(!told.includes(secret) && !/S[UA][A-Z2-7]{40}|eyJ/.test(told), told);
}

void describe("credentials for NATS", { skip: natsSkip() }, () => {
  void test("user and password, in the options and in the address", async () => {
    await using server = await NatsServer.start({ config: `authorization { user: me, password: "${secret}" }` });
    const { port } = server;
    await answers({ servers: server.url, user: "me", password: secret });
    await answers({ servers: `nats://me:${encodeURIComponent(secret)}@127.0.0.1:${port}` });
    await refused(
      { servers: server.url, user: "me", password: `${secret}x` },
      "NATS_REFUSED",
      /Authorization Violation/,
    );
    await refused({ servers: server.url }, "NATS_REFUSED", /Authorization Violation/);
  });

  void test("a token, in the options and in the address", async () => {
    await using server = await NatsServer.start({ config: `authorization { token: "${secret}" }` });
    await answers({ servers: server.url, token: secret });
    await answers({ servers: `nats://${secret}@127.0.0.1:${server.port}` });
    await refused({ servers: server.url, token: `${secret}x` }, "NATS_REFUSED", /Authorization Violation/);
  });

  void test("the seed of a user key that the server knows", async () => {
    const pair = KeyPair.generate("user");
    await using server = await NatsServer.start({ config: `authorization { users: [{ nkey: ${pair.publicKey} }] }` });
    await answers({ servers: server.url, seed: pair.seed });
    const other = KeyPair.generate("user").seed;
    await refused({ servers: server.url, seed: other }, "NATS_REFUSED", /Authorization Violation/);
  });

  void test("a user JWT with its seed, as options and as a creds file", async () => {
    const tokens = userTokens();
    await using server = await NatsServer.start({ jetStream: false, config: tokens.serverConfig });
    const { jwt, seed } = tokens;
    await answers({ servers: server.url, jwt, seed });
    await answers({ servers: server.url, credsFile: server.file("user.creds", tokens.creds) });
    const strange = userTokens();
    await refused({ servers: server.url, jwt: strange.jwt, seed: strange.seed }, "NATS_REFUSED", /Authorization/);
    await refused({ servers: server.url, jwt, seed: strange.seed }, "NATS_REFUSED", /Authorization/);
    const bad = server.file("bad.creds", "nothing here");
    await refused({ servers: server.url, credsFile: bad }, "NATS_CREDENTIALS", /bad\.creds.*no user JWT/);
    await refused({ servers: server.url, credsFile: `${bad}.absent` }, "NATS_CREDENTIALS", /ENOENT/);
  });

  void test("TLS, with an authority of its own and a client's certificate", async () => {
    await using server = await NatsServer.start();
    const cert = server.file("cert.pem", localhostTls.cert);
    const key = server.file("key.pem", localhostTls.key);
    const servers = `tls://127.0.0.1:${server.port}`;
    await refused({ servers, tls: { ca: cert } }, "NATS_UNREACHABLE", /offers no TLS/);
    const files = `cert_file: "${cert}", key_file: "${key}"`;
    server.configure(`tls { ${files} }`);
    await server.restart();
    await answers({ servers, tls: { ca: cert } });
    await answers({ servers: `nats://localhost:${server.port}`, tls: { ca: cert } });
    await refused({ servers, tls: true }, "NATS_UNREACHABLE", /certificate/);
    await refused({ servers: server.url }, "NATS_UNREACHABLE", /certificate/);
    await refused({ servers, tls: { ca: `${cert}.absent` } }, "NATS_CREDENTIALS", /ENOENT/);
    server.configure(`tls { ${files}, ca_file: "${cert}", verify: true }`);
    await server.restart();
    await answers({ servers, tls: { ca: cert, cert, key } });
    await refused({ servers, tls: { ca: cert } }, "NATS_UNREACHABLE", /certificate|reset|ended|broke/i);
  });

  void test("what permissions lack is told once, and the requests that need it fail with it", async () => {
    const allowed = `publish: ["may.>", "_INBOX.>", "$JS.API.INFO"], subscribe: ["may.>", "_INBOX.>"]`;
    await using server = await NatsServer.start({
      config: `authorization { users: [{ user: me, password: x, permissions: { ${allowed} } }] }`,
    });
    await using connection = await watchedConnection({ servers: server.url, user: "me", password: "x" });
    await connection.connected();
    const { bus } = connection;
    bus.subscribe("may.ask", (message) => void message.respond(message.payload));
    bus.subscribe("must.not", () => assert.fail("heard"));
    bus.publish("must.not", new Uint8Array());
    bus.publish("must.not", new Uint8Array());
    await bus.flush();
    const asking = bus.request("must.not", new Uint8Array(), { timeoutMs: 20_000 });
    await assert.rejects(asking, { code: "NATS_PERMISSION", message: /publish to must.not/ });
    await assert.rejects(connection.state("b").get("k"), {
      code: "STATE_UNAVAILABLE",
      message: /permissions do not allow to publish to \$JS\.API\.STREAM\.INFO\.KV_b/,
    });
    await bus.request("may.ask", new Uint8Array(), { timeoutMs: 5_000 });
    const told = connection.problems.map(({ message }) => message);
    assert.deepEqual(told, [
      "NATS permissions do not allow to subscribe to must.not",
      "NATS permissions do not allow to publish to must.not",
      "NATS permissions do not allow to publish to $JS.API.STREAM.INFO.KV_b",
    ]);
    assert.equal(bus.status, "connected");
    assert.equal(connection.describe().problem, undefined);
  });

  void test("replies come to an inbox of one's own where only that is allowed", async () => {
    const allowed = `publish: [">"], subscribe: ["_INBOX_me.>", "$KV.>"]`;
    await using server = await NatsServer.start({
      config: `authorization { users: [{ user: me, password: x, permissions: { ${allowed} } }] }`,
    });
    await using connection = await watchedConnection({
      servers: server.url,
      user: "me",
      password: "x",
      inboxPrefix: "_INBOX_me",
    });
    await connection.state("b").put("k", new Uint8Array(1));
    await connection.blobs("b").put("k", new Uint8Array(1));
    assert.equal((await connection.state("b").list()).length, 1);
    assert.equal((await connection.blobs("b").get("k", 1))?.length, 1);
    assert.deepEqual(connection.problems, []);
  });
});
