import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { LatticeConnection } from "../../lattice/index.ts";
import { watchedConnection } from "../support/nats-connections.ts";
import { natsSkip, type NatsServer, startNatsCluster } from "../support/nats-server.ts";
import { until } from "../support/until.ts";

void describe("a cluster of three NATS servers", { skip: natsSkip() }, () => {
  let servers: NatsServer[] = [];

  before(async () => {
    servers = await startNatsCluster(3);
  });

  after(async () => {
    await Promise.all(servers.map(async (server) => await server[Symbol.asyncDispose]()));
  });

  /** The server that a connection uses. */
  const used = (connection: LatticeConnection): NatsServer =>
    servers.find(({ port }) => connection.describe().server.endsWith(`:${port}`))!;

  void test("hosts that know one server reach each other, and stay when that one is gone", async () => {
    await using one = await watchedConnection({ servers: servers[0]!.url });
    await using two = await watchedConnection({ servers: servers[1]!.url });
    two.bus.subscribe("echo", (message) => void message.respond(message.payload));
    const ask = async (): Promise<unknown> =>
      await one.bus.request("echo", Buffer.from("x"), { timeoutMs: 1_000 }).catch(() => undefined);
    await until(ask);
    await used(one).kill();
    await until(ask);
    assert.notEqual(one.describe().server, `127.0.0.1:${servers[0]!.port}`);
    await servers[0]!.run();
  });

  void test("shared state with three copies survives one server after the other, watches lose nothing", async () => {
    const urls = servers.map(({ url }) => url);
    await using one = await watchedConnection({ servers: urls, replicas: 3, stateTimeoutMs: 1_000 });
    await using two = await watchedConnection({ servers: urls, replicas: 3, stateTimeoutMs: 1_000 });
    const put = async (key: string, value: string): Promise<true | undefined> =>
      await one
        .state("b")
        .put(key, Buffer.from(value))
        .then(() => true as const)
        .catch(() => undefined);
    await until(() => put("round", "start"), 60_000);
    const heard = new Map<string, string>();
    const watch = async () =>
      await two.state("b").watch(">", (change) => {
        if (change.kind === "put") heard.set(change.key, Buffer.from(change.value).toString());
        else heard.delete(change.key);
      });
    await until(() => watch().catch(() => undefined), 60_000);
    for (const server of servers.slice(1)) {
      const round = String(server.port);
      await server.stop();
      await until(() => put("round", round), 60_000);
      await until(() => heard.get("round") === round, 60_000);
      await server.run();
    }
    const entries = await until(
      () =>
        two
          .state("b")
          .list()
          .catch(() => undefined),
      60_000,
    );
    assert.deepEqual(
      entries.map(({ key }) => key),
      ["round"],
    );
  });

  void test("a lame duck is left for another server without a request lost or heard twice", async () => {
    const urls = servers.map(({ url }) => url);
    await using asker = await watchedConnection({ servers: urls });
    await using worker = await watchedConnection({ servers: urls });
    await asker.connected();
    let answered = 0;
    worker.bus.subscribe(
      "work",
      (message) => {
        answered++;
        message.respond(message.payload);
      },
      { queue: "workers" },
    );
    const seen: string[] = [];
    worker.bus.onStatus((status) => seen.push(status));
    await until(() => asker.bus.request("work", new Uint8Array(), { timeoutMs: 1_000 }).catch(() => undefined));
    answered = 0;
    let asked = 0;
    let calls = true;
    const calling = (async () => {
      while (calls) {
        asked++;
        await asker.bus.request("work", new Uint8Array(), { timeoutMs: 60_000 });
        await delay(1);
      }
    })();
    const duck = used(worker);
    duck.signal("SIGUSR2");
    await until(() => used(worker) !== duck && used(asker) !== duck);
    const before = asked;
    await until(() => asked > before + 50);
    calls = false;
    await calling;
    assert.equal(answered, asked);
    assert.ok(!seen.includes("reconnecting"), seen.join());
    assert.equal(worker.bus.status, "connected");
    await duck.kill();
    await duck.run();
  });
});
