import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import * as fc from "../support/fast-check.ts";
import { type Link, type Provider, natsKeyvalue } from "../../capabilities/index.ts";
import { decodeContent, encodeContent } from "../../capabilities/keyvalue-nats/content.ts";
import { decodeKey, encodeKey } from "../../capabilities/keyvalue-nats/keys.ts";
import { StateStore } from "../../capabilities/keyvalue-nats/store.ts";
import { MemoryServer, connectNats, memoryConnection } from "../../lattice/index.ts";
import { keyvalueSuite } from "../../testing/index.ts";
import { bytes, fakeCall, fakeLink, hex } from "../support/capabilities.ts";
import { NatsServer, natsSkip } from "../support/nats-server.ts";
import { until } from "../support/until.ts";

const skip = natsSkip();
let server: NatsServer;
let now = Date.now();
let buckets = 0;
before(async () => {
  if (skip === false) server = await NatsServer.start();
});
after(() => server?.[Symbol.asyncDispose]());

async function open(bucket = `b${buckets++}`) {
  const connection = await connectNats({ servers: `127.0.0.1:${server.port}` }, { onProblem: () => undefined });
  await until(() => connection.bus.status === "connected");
  return new StateStore(connection.state(bucket), {
    name: "NATS under test",
    away: () => (connection.bus.status === "connected" ? undefined : "no server is reached"),
    now: () => now,
    close: () => connection.close(),
  });
}

const killable = () => ({ kill: () => server.kill(), start: () => server.run() });

keyvalueSuite(
  "nats",
  async () => {
    const store = await open();
    return { store, advance: (ms) => void (now += ms), close: () => store.close(), server: killable() };
  },
  { skip },
);

keyvalueSuite("state in process", () => {
  const store = new StateStore(memoryConnection().state("kv"), { name: "state under test", now: () => now });
  return { store, advance: (ms) => void (now += ms), close: () => store.close() };
});

test("hosts that count one key at the same moment come to the exact sum", async () => {
  const shared = new MemoryServer();
  const stores = Array.from({ length: 4 }, () => new StateStore(memoryConnection(shared).state("kv"), { name: "kv" }));
  await Promise.all(
    stores.flatMap((store) =>
      Array.from({ length: 16 }, async () => {
        for (let i = 0; i < 5; i++) await store.increment("c", 1);
      }),
    ),
  );
  assert.equal(await stores[0]!.get("c"), "320");
});

test("every text is a key and comes back from it, within the alphabet of buckets", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 30 }), (key) => {
      fc.pre(key.isWellFormed());
      const encoded = encodeKey(key);
      assert.match(encoded, /^[-/_=a-zA-Z0-9]+$/);
      assert.equal(decodeKey(encoded), key);
    }),
  );
  assert.equal(encodeKey("cart:7/é"), "cart=3A7/=C3=A9");
  for (const foreign of ["=health", "=C3", "=c3=a9"]) assert.equal(decodeKey(foreign), undefined);
});

test("plain values are stored as they are, and bytes that look like ours come back as well", () => {
  assert.equal(hex(encodeContent({ kind: "value", value: "text", expiresAt: 0 })), hex(Buffer.from("text")));
  for (const value of [bytes("ff6b7601"), bytes("ff6b76010000000000000000006162")]) {
    const content = { kind: "value", value, expiresAt: 0 } as const;
    assert.deepEqual(
      Buffer.from(decodeContent(encodeContent(content)).kind === "value" ? value : ""),
      Buffer.from(value),
    );
    const again = decodeContent(encodeContent(content));
    assert.equal(again.kind === "value" && hex(again.value as Uint8Array), hex(value));
  }
});

const addOne = bytes("82a36b6579a26b31a576616c756501");
async function increment(provider: Provider, link: Link): Promise<string> {
  return hex(await provider.handle(fakeCall("E4", "KeyValue.Increment", addOne, { link })));
}

test(
  "a link's url, bucket and prefix say where its keys are; a link made for Redis keeps to our own",
  { skip },
  async () => {
    const url = `nats://127.0.0.1:${server.port}`;
    const provider = natsKeyvalue({ url, bucket: "standard" });
    const [a, b, c] = [
      fakeLink({ URL: url, bucket: "other" }, { name: "one" }),
      fakeLink({ prefix: "p:" }, { name: "two" }),
      fakeLink({ URL: "redis://:hunter2@127.0.0.1:1" }, { name: "three" }),
    ];
    for (const link of [a, b, c]) await provider.putLink(link);
    for (const link of [a, b, c]) assert.equal(await increment(provider, link), "01");
    assert.equal(provider.storeName(b), `NATS bucket standard at 127.0.0.1:${server.port} under "p:"`);
    assert.deepEqual(await provider.health(), { healthy: true });
    const other = await open("standard");
    assert.deepEqual((await Array.fromAsync(other.entries(""))).map(({ key }) => key).toSorted(), ["k1", "p:k1"]);
    await other.close();
    await provider.stop();
  },
);

test("what is wrong is told at once, and a password never", async () => {
  const provider = natsKeyvalue();
  const link = fakeLink({ url: "http://u:hunter2@h", bucket: "a b" });
  await assert.rejects(provider.putLink(link), (error: Error & { code?: string }) => {
    assert.equal(error.code, "LINK_VALUES_INVALID");
    assert.match(error.message, /url is no .*bucket is no/);
    return !error.message.includes("hunter2");
  });
  assert.equal(
    provider.storeName(fakeLink({ url: "nats://u:hun@ter2@h:1,tls://t@g:2", bucket: "b" })),
    "NATS bucket b at h:1, g:2",
  );
});

test("a server that is away fails calls at once, and is used when it is there", { skip }, async () => {
  await using late = await NatsServer.start();
  await late.kill();
  const provider = natsKeyvalue({ url: `nats://shop:hunter2@127.0.0.1:${late.port}` });
  const link = fakeLink();
  await provider.putLink(link);
  await assert.rejects(increment(provider, link), (error: Error & { code?: string }) => {
    assert.equal(error.code, "STORE_UNAVAILABLE");
    assert.match(
      error.message,
      new RegExp(`NATS bucket wasmlattice-keyvalue at 127.0.0.1:${late.port} is unavailable`),
    );
    return !error.message.includes("hunter2");
  });
  assert.equal((await provider.health()).healthy, false);
  await late.run();
  await until(async () => (await provider.health()).healthy);
  assert.equal(await increment(provider, link), "01");
  await provider.stop();
});
