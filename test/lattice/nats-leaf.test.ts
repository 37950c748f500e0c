import assert from "node:assert/strict";
import { watchedConnection } from "../support/nats-connections.ts";
import { freePort } from "../support/free-port.ts";
import { NatsServer, natsTest } from "../support/nats-server.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { until } from "../support/until.ts";

natsTest("a leaf node carries calls, shared state and objects over an edge link that drops and returns", async () => {
  const leafPort = await freePort();
  await using wire = await TcpProxy.to(leafPort);
  const advertised = wire.url.slice("nats://".length);
  await using hub = await NatsServer.start({
    name: "hub",
    domain: "hub",
    config: `leafnodes { listen: "127.0.0.1:${leafPort}", advertise: "${advertised}" }`,
  });
  await using edge = await NatsServer.start({
    name: "edge",
    jetStream: false,
    config: `leafnodes { reconnect: 1, remotes: [{ url: "${wire.url}" }] }`,
  });
  await using far = await watchedConnection({ servers: edge.url, domain: "hub", stateTimeoutMs: 5_000 });
  await using near = await watchedConnection({ servers: hub.url });
  near.bus.subscribe("echo", (message) => void message.respond(message.payload));
  const ask = async (): Promise<unknown> =>
    await far.bus.request("echo", Buffer.from("x"), { timeoutMs: 1_000 }).catch(() => undefined);
  await until(ask);
  await near.state("b").put("k", Buffer.from("1"));
  const heard: string[] = [];
  await until(
    () =>
      far
        .state("b")
        .get("k")
        .catch(() => undefined),
    20_000,
  );
  await far.state("b").watch(">", ({ key, revision }) => heard.push(`${key} ${revision}`));
  assert.deepEqual(heard, ["k 1"]);
  assert.equal(await far.state("b").put("l", Buffer.from("2"), { revision: 0 }), 2);
  assert.equal((await near.state("b").list()).length, 2);
  await far.blobs("o").put("large", new Uint8Array(400_000));
  assert.equal((await near.blobs("o").get("large", 400_000))?.length, 400_000);
  assert.equal((await far.blobs("o").get("large", 400_000))?.length, 400_000);
  assert.equal(far.describe().jetStream, true);

  wire.cut();
  await until(async () => (await ask()) === undefined);
  await assert.rejects(far.state("b").get("k"), { code: "STATE_UNAVAILABLE" });
  await near.state("b").put("m", Buffer.from("3"));
  wire.mend();
  await until(ask);
  await until(() => heard.includes("m 3"));
  assert.deepEqual(heard, ["k 1", "l 2", "m 3"]);
});
