import assert from "node:assert/strict";
import { test } from "node:test";
import { ActorModule, type Host, type ProviderHandle, httpServer, startHost } from "../../index.ts";
import { corpusGuest, guestFile } from "../support/guest-corpus.ts";
import { watchedConnection } from "../support/nats-connections.ts";
import { NatsServer, natsSkip } from "../support/nats-server.ts";
import { until } from "../support/until.ts";

const password = "hunter2-very-secret";

/** An actor of an era behind HTTP that asks over messaging and answers what it gets. */
async function guest(
  host: Host,
  name: string,
  values: Record<string, string>,
  reference = "builtin:messaging-nats",
): Promise<{ readonly url: string; readonly messaging: ProviderHandle }> {
  const actor = await host.startActor(await ActorModule.fromFile(guestFile(corpusGuest(name))));
  const web = await host.startProvider(httpServer());
  const { urls } = await host.link(actor, web, { values: { address: "127.0.0.1:0" } });
  const messaging = await host.startProvider(reference);
  await host.link(actor, messaging, { values });
  return { url: urls[0]!, messaging };
}

async function result(url: string): Promise<unknown> {
  const response = await fetch(url);
  const text = await response.text();
  assert.equal(response.status, 200, text);
  return (JSON.parse(text) as { result?: unknown }).result;
}

test(
  "actors of two eras on two hosts that know nothing of each other ask one another over a NATS server",
  { skip: natsSkip() },
  async () => {
    await using server = await NatsServer.start({
      jetStream: false,
      config: `authorization { user: shop, password: "${password}" }`,
    });
    process.env["LATTICE_SECRET_NATS"] = password;
    const URI = `nats://shop:\${secret:env:LATTICE_SECRET_NATS}@127.0.0.1:${server.port}`;
    await using one = await startHost({ logLevel: "silent" });
    await using other = await startHost({ logLevel: "silent" });
    const old = await guest(one, "e2", { URI, SUBSCRIPTION: "tea" });
    const modern = await guest(other, "e4", { URI, SUBSCRIPTION: "coffee|makers" });
    const ask = (from: { readonly url: string }, subject: string) =>
      result(`${from.url}/messaging/Request?subject=${subject}&body=h%C3%A9&timeout=8000`);
    assert.equal(await ask(modern, "tea"), "reply: hé");
    assert.equal(await ask(old, "coffee"), "reply: hé");

    await server.kill();
    const away = await until(async () => {
      const response = await fetch(`${modern.url}/messaging/Request?subject=tea&body=x&timeout=2000`);
      const text = await response.text();
      return /unavailable|is down/.test(text) && text;
    });
    assert.ok(away.includes(`127.0.0.1:${server.port}`) && !away.includes(password), away);
    await server.run();
    const back = async (from: { readonly url: string }, subject: string) =>
      await ask(from, subject).then(
        (answer) => answer === "reply: hé",
        () => false,
      );
    await until(async () => (await back(modern, "tea")) && (await back(old, "coffee")));
  },
);

test(
  "messaging moves from memory to a NATS server, and there to other settings while actors ask each other",
  { skip: natsSkip() },
  async () => {
    await using server = await NatsServer.start({ jetStream: false });
    await using host = await startHost({ logLevel: "silent" });
    const values = { URI: server.url, SUBSCRIPTION: "tea|makers" };
    const { url, messaging } = await guest(host, "e4", values, "builtin:messaging-memory");
    await using outside = await watchedConnection({ servers: server.url });
    await outside.connected();
    const reached = async () =>
      await outside.bus.request("tea", Buffer.from("x"), { timeoutMs: 20_000 }).then(
        ({ payload }) => Buffer.from(payload).toString(),
        (error: { code?: string }) => error.code,
      );
    assert.equal(await reached(), "NO_RESPONDERS");
    await host.swapProvider(messaging, "builtin:messaging-nats", { trialMs: 0 });
    assert.equal(await reached(), "reply: x");

    let asked = 0;
    let ended = false;
    const asking = (async () => {
      for (; !ended; asked++)
        assert.equal(await result(`${url}/messaging/Request?subject=tea&body=x&timeout=8000`), "reply: x");
    })();
    try {
      for (const maxPending of ["500", "400", "300"]) {
        const before = asked;
        await until(() => asked > before + 5);
        await host.swapProvider(messaging, "builtin:messaging-nats", {
          trialMs: 0,
          config: { max_pending: maxPending },
        });
      }
    } finally {
      ended = true;
      await asking;
    }
  },
);
