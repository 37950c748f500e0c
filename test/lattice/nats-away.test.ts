import assert from "node:assert/strict";
import { test } from "node:test";
import { isLatticeError, memoryConnection } from "../../lattice/index.ts";
import { watchedConnection } from "../support/nats-connections.ts";
import { freePort } from "../support/free-port.ts";
import { NatsServer, natsTest } from "../support/nats-server.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { until } from "../support/until.ts";

const text = (payload: Uint8Array): string => Buffer.from(payload).toString();

test("connecting resolves at once where no server answers, says why, and closes at once", async () => {
  const port = await freePort();
  const connection = await watchedConnection({ servers: `nats://me:hidden@127.0.0.1:${port}`, stateTimeoutMs: 50 });
  assert.equal(connection.bus.status, "connecting");
  const [problem] = await until(() => connection.problems.length > 0 && connection.problems);
  assert.equal(problem?.code, "NATS_UNREACHABLE");
  assert.match(problem.message, new RegExp(`127.0.0.1:${port} is not reached: .*ECONNREFUSED`));
  const report = connection.describe();
  assert.deepEqual(report, {
    server: `127.0.0.1:${port}`,
    version: undefined,
    jetStream: undefined,
    reconnects: 0,
    problem: problem.message,
  });
  assert.ok(!JSON.stringify([report, problem.toWire()]).includes("hidden"));
  await assert.rejects(connection.bus.request("t", new Uint8Array(), { timeoutMs: 20 }), { code: "RPC_TIMEOUT" });
  await assert.rejects(connection.state("b").get("k"), { code: "STATE_UNAVAILABLE", message: /is not reached/ });
  await assert.rejects(connection.blobs("b").get("k", 1), { code: "STATE_UNAVAILABLE" });
  const flushing = connection.bus.flush();
  await Promise.all([assert.rejects(flushing, { code: "BUS_CLOSED" }), connection.close()]);
  assert.equal(connection.bus.status, "closed");
});

test("a bus that drains while no server answers ends all the same", async () => {
  const connection = await watchedConnection({ servers: `127.0.0.1:${await freePort()}` });
  connection.bus.subscribe("t", () => {});
  connection.bus.publish("t", new Uint8Array());
  await connection.drain();
  assert.equal(connection.bus.status, "closed");
});

test("what is published while no server answers is bounded, and given up requests leave room", async () => {
  await using connection = await watchedConnection({ servers: `127.0.0.1:${await freePort()}`, bufferBytes: 10_000 });
  const { bus } = connection;
  const giveUp = new AbortController();
  const asking = bus.request("t", new Uint8Array(6_000), { timeoutMs: 60_000, signal: giveUp.signal });
  assert.throws(() => bus.publish("t", new Uint8Array(6_000)), { code: "BUS_FULL", message: /already wait/ });
  giveUp.abort();
  await assert.rejects(asking, { code: "CALLER_GONE" });
  bus.publish("t", new Uint8Array(6_000));
  await assert.rejects(bus.request("t", new Uint8Array(6_000), { timeoutMs: 60_000 }), { code: "BUS_FULL" });
});

test("options that can never work are refused by name, without what is secret in them", async () => {
  const wrong = [
    [{ servers: [] }, "NATS_ADDRESS"],
    [{ servers: "http://me:hidden@x" }, "NATS_ADDRESS"],
    [{ servers: "nats://me:hidden@:4222:1" }, "NATS_ADDRESS"],
    [{ servers: "x", inboxPrefix: "a b" }, "SUBJECT_INVALID"],
    [{ servers: "x", replicas: 9 }, "OPTION_OUT_OF_RANGE"],
    [{ servers: "x", jwt: "hidden" }, "NATS_CREDENTIALS"],
    [{ servers: "x", seed: "SUAhidden" }, "NATS_CREDENTIALS"],
  ] as const;
  for (const [options, code] of wrong) {
    await assert.rejects(watchedConnection(options), (error) => {
      assert.ok(isLatticeError(error) && error.code === code, String(error));
      return !JSON.stringify(error.toWire()).includes("hidden");
    });
  }
});

natsTest("a server that comes later gets what was published before, in order and while it is wanted", async () => {
  const port = await freePort();
  await using connection = await watchedConnection({ servers: `127.0.0.1:${port}` });
  const got: string[] = [];
  connection.bus.subscribe("t", (message) => {
    got.push(text(message.payload));
    message.respond(Buffer.from("yes"));
  });
  for (const part of ["one", "two", "three"]) connection.bus.publish("t", Buffer.from(part));
  const asking = connection.bus.request("t", Buffer.from("four"), { timeoutMs: 20_000 });
  const late = connection.bus.request("t", Buffer.from("late"), { timeoutMs: 1 });
  await assert.rejects(late, { code: "RPC_TIMEOUT" });
  await using _server = await NatsServer.start({ port });
  assert.equal(text((await asking).payload), "yes");
  assert.deepEqual(got, ["one", "two", "three", "four"]);
  assert.deepEqual(connection.describe().reconnects, 0);
  await until(() => connection.describe().jetStream === true);
  assert.match(connection.describe().version ?? "", /^\d+\.\d+/);
  assert.equal(connection.describe().problem, undefined);
});

natsTest("a bus goes on where it was after its server was killed and started again", async () => {
  await using server = await NatsServer.start();
  await using connection = await watchedConnection({ servers: server.url });
  await connection.connected();
  const seen: string[] = [];
  connection.bus.onStatus((status) => seen.push(status));
  connection.bus.subscribe("echo", (message) => void message.respond(message.payload));
  await connection.bus.flush();
  await server.kill();
  await until(() => connection.bus.status === "reconnecting");
  const asking = connection.bus.request("echo", Buffer.from("still there"), { timeoutMs: 20_000 });
  await server.run();
  assert.equal(text((await asking).payload), "still there");
  assert.deepEqual(seen, ["reconnecting", "connected"]);
  assert.equal(connection.describe().reconnects, 1);
});

natsTest("the largest payload is what the server says, also after it came back with another limit", async () => {
  await using server = await NatsServer.start({ config: "max_payload: 4000" });
  await using connection = await watchedConnection({ servers: server.url });
  await connection.connected();
  const { bus } = connection;
  assert.equal(bus.maxPayloadBytes, 4_000);
  assert.throws(() => bus.publish("t", new Uint8Array(4_001)), { code: "PAYLOAD_TOO_LARGE" });
  const headers = new Map([["x", ["y".repeat(100)]]]);
  assert.throws(() => bus.publish("t", new Uint8Array(3_950), { headers }), { code: "PAYLOAD_TOO_LARGE" });
  const got: number[] = [];
  bus.subscribe("t", ({ payload }) => void got.push(payload.length));
  await server.stop();
  await until(() => bus.status === "reconnecting");
  bus.publish("t", new Uint8Array(3_000));
  bus.publish("t", new Uint8Array(1_000));
  server.configure("max_payload: 2000");
  await server.run();
  await until(() => got.length > 0);
  assert.deepEqual(got, [1_000]);
  assert.equal(bus.maxPayloadBytes, 2_000);
  assert.deepEqual(connection.describe().reconnects, 1);
});

natsTest("a server that falls silent is left and found again", async () => {
  await using server = await NatsServer.start();
  await using connection = await watchedConnection({
    servers: server.url,
    pingIntervalMs: 50,
    connectTimeoutMs: 200,
  });
  await connection.connected();
  server.signal("SIGSTOP");
  await until(() => connection.bus.status === "reconnecting");
  server.signal("SIGCONT");
  await connection.connected();
  assert.ok(connection.problems.some(({ code, message }) => code === "NATS_CUT" && message.includes("silent")));
});

natsTest("a watch tells once what changed while the connection was cut, however it was deleted", async () => {
  await using server = await NatsServer.start();
  await using wire = await TcpProxy.to(server.port);
  await using far = await watchedConnection({ servers: wire.url });
  await using near = await watchedConnection({ servers: server.url });
  const state = near.state("b");
  for (const key of ["same", "changed", "deleted", "purged"]) await state.put(key, Buffer.from("1"));
  const heard: string[] = [];
  const revisions: number[] = [];
  await far.state("b").watch(">", (change) => {
    heard.push(change.kind === "put" ? `${change.key}=${text(change.value)}` : `${change.key} deleted`);
    revisions.push(change.revision);
  });
  assert.deepEqual(heard.splice(0).toSorted(), ["changed=1", "deleted=1", "purged=1", "same=1"]);
  wire.cut();
  await until(() => far.bus.status === "reconnecting");
  await state.put("changed", Buffer.from("2"));
  await state.put("changed", Buffer.from("3"));
  await state.put("new", Buffer.from("1"));
  await state.put("brief", Buffer.from("1"));
  await state.delete("brief");
  await state.delete("deleted");
  // As hosts of the OTP era delete.
  const purge = new Map([
    ["KV-Operation", ["PURGE"]],
    ["Nats-Rollup", ["sub"]],
  ]);
  await near.bus.request("$KV.b.purged", new Uint8Array(), { timeoutMs: 5_000, headers: purge });
  assert.equal(await state.get("purged"), undefined);
  wire.mend();
  await until(() => heard.length === 4);
  assert.deepEqual(heard, ["changed=3", "new=1", "deleted deleted", "purged deleted"]);
  await state.put("after", Buffer.from("1"));
  await until(() => heard.includes("after=1"));
  assert.deepEqual(heard.slice(4), ["after=1"]);
  assert.deepEqual(
    revisions.slice(4),
    revisions.slice(4).toSorted((a, b) => a - b),
  );
});

natsTest("a watch follows a bucket that was made anew while it was away", async () => {
  await using server = await NatsServer.start();
  await using wire = await TcpProxy.to(server.port);
  await using far = await watchedConnection({ servers: wire.url });
  await using near = await watchedConnection({ servers: server.url });
  for (const key of ["a", "b"]) await near.state("b").put(key, Buffer.from("old"));
  const heard: string[] = [];
  await far.state("b").watch(">", (change) => {
    heard.push(change.kind === "put" ? `${change.key}=${text(change.value)}` : `${change.key} deleted`);
  });
  heard.length = 0;
  wire.cut();
  await until(() => far.bus.status === "reconnecting");
  await near.bus.request("$JS.API.STREAM.DELETE.KV_b", new Uint8Array(), { timeoutMs: 5_000 });
  await near.state("b").put("a", Buffer.from("new"));
  wire.mend();
  await until(() => heard.length === 2);
  assert.deepEqual(heard, ["a=new", "b deleted"]);
});

natsTest("a consumer that the server lost is made again by its watch", async () => {
  await using server = await NatsServer.start();
  await using connection = await watchedConnection({ servers: server.url });
  const state = connection.state("b");
  const heard: string[] = [];
  await state.watch(">", ({ key }) => heard.push(key));
  await state.put("one", new Uint8Array());
  await until(() => heard.length === 1);
  await server.restart();
  await connection.connected();
  await state.put("two", new Uint8Array());
  await until(() => heard.length === 2);
  assert.deepEqual(heard, ["one", "two"]);
});

natsTest("without JetStream shared state is refused by name while messages flow", async () => {
  await using server = await NatsServer.start({ jetStream: false });
  await using connection = await watchedConnection({ servers: server.url });
  await until(() => connection.describe().jetStream === false);
  for (const refused of [
    connection.state("b").get("k"),
    connection.state("b").put("k", new Uint8Array()),
    connection.state("b").list(),
    connection.state("b").watch(">", () => {}),
    connection.blobs("b").put("k", new Uint8Array()),
    connection.blobs("b").list(),
  ])
    await assert.rejects(refused, { code: "STATE_UNAVAILABLE", message: /offers no JetStream/ });
  connection.bus.subscribe("echo", (message) => void message.respond(message.payload));
  assert.equal((await connection.bus.request("echo", Buffer.from("x"), { timeoutMs: 5_000 })).payload.length, 1);
  await using local = memoryConnection();
  assert.equal(local.describe().jetStream, true);
});
