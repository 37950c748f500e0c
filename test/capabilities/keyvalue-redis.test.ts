import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Redis } from "ioredis";
import { type KeyvalueStore, type Link, type Provider, redisKeyvalue } from "../../capabilities/index.ts";
import { readRedisUrl } from "../../capabilities/keyvalue-redis/address.ts";
import { RedisConnection } from "../../capabilities/keyvalue-redis/connection.ts";
import { RedisStore } from "../../capabilities/keyvalue-redis/store.ts";
import { keyvalueSuite } from "../../testing/index.ts";
import { bytes, fakeCall, fakeContext, fakeLink, hex } from "../support/capabilities.ts";
import { localhostTls } from "../support/localhost-tls.ts";
import { freePort } from "../support/free-port.ts";
import { StoreServer, skipWithout } from "../support/store-servers.ts";
import { until } from "../support/until.ts";

const skip = skipWithout("redis-server");
let server: StoreServer;
let direct: Redis;
before(async () => {
  if (skip !== false) return;
  server = await StoreServer.start("redis-server");
  direct = new Redis(server.port, "127.0.0.1");
  direct.on("error", () => undefined);
});
after(async () => {
  direct?.disconnect();
  await server?.[Symbol.asyncDispose]();
});

async function connect(url: string): Promise<KeyvalueStore> {
  const place = readRedisUrl(url, []);
  return new RedisStore(await RedisConnection.open(place, {}, () => undefined));
}

/** Redis has no clock to turn: what is left of each key's time is made shorter instead. */
async function advance(ms: number): Promise<void> {
  for (const key of await direct.keys("*")) {
    const left = await direct.pttl(key);
    if (left >= 0) await direct.pexpire(key, left - ms);
  }
}

keyvalueSuite(
  "redis",
  async () => {
    await direct.flushall();
    const store = await connect(`redis://127.0.0.1:${server.port}`);
    return { store, advance, close: () => store.close?.(), server };
  },
  { skip },
);

const addOne = bytes("82a36b6579a26b31a576616c756501");

async function increment(provider: Provider, link: Link): Promise<string> {
  return hex(await provider.handle(fakeCall("E4", "KeyValue.Increment", addOne, { link })));
}

test("a link's URL and prefix say where its keys are, under the names that people write", { skip }, async () => {
  await direct.flushall();
  const provider = redisKeyvalue({ url: "redis://127.0.0.1:1" });
  const url = `redis://127.0.0.1:${server.port}`;
  const [a, b, c] = [
    fakeLink({ URL: url, prefix: "a:" }, { name: "one" }),
    fakeLink({ url: `${url}/3`, Prefix: "b:" }, { name: "two" }),
    fakeLink({ Url: `127.0.0.1:${server.port}` }, { name: "three" }),
  ];
  for (const link of [a, b, c]) await provider.putLink(link);
  for (const link of [a, b, c]) assert.equal(await increment(provider, link), "01");
  assert.deepEqual((await direct.keys("*")).toSorted(), ["a:k1", "k1"]);
  await direct.select(3);
  assert.deepEqual(await direct.keys("*"), ["b:k1"]);
  await direct.select(0);
  assert.equal(provider.storeName(a), `Redis at 127.0.0.1:${server.port} under "a:"`);
  const others = async () =>
    String(await direct.client("LIST"))
      .trim()
      .split("\n").length - 1;
  // Links to one database share a connection; that of a test before may still be on its way out.
  await until(async () => (await others()) === 2);
  await provider.deleteLink(b);
  await until(async () => (await others()) === 1);
  await provider.putLink(fakeLink({ URL: `${url}/3` }, { name: "one", revision: 2 }));
  assert.equal(await increment(provider, a), "01", "new values take effect");
  await provider.stop();
  await until(async () => (await others()) === 0);
});

test("every problem of a URL is told at once and its password is not", () => {
  const problems: string[] = [];
  readRedisUrl("redis:///x?hunter2", problems);
  readRedisUrl("http://:hunter2@h", problems);
  readRedisUrl("redis://:hunter2%@h/hunter2#hunter2", problems);
  assert.deepEqual(problems, [
    "the path of url is no database number",
    "url takes no parameters after ? or #",
    "url names no host",
    "url is no redis:// or rediss:// URL",
    "the path of url is no database number",
    "url takes no parameters after ? or #",
    "user or password of url has a % that encodes nothing",
  ]);
  assert.throws(
    () => redisKeyvalue({ url: "ftp://:hunter2@h" }),
    (error: Error & { code?: string }) => {
      assert.equal(error.code, "OPTION_OUT_OF_RANGE");
      return !error.message.includes("hunter2");
    },
  );
});

test(
  "a user of the server's access list may do what it allows; a wrong password is never shown",
  { skip },
  async () => {
    await direct.flushall();
    await direct.acl("SETUSER", "shop", "on", ">p@ss:w/rd", "~*", "+@all", "-set", "-@admin");
    const lines: string[] = [];
    const context = { ...fakeContext(), log: (_: string, text: string) => void lines.push(text) };
    const provider = redisKeyvalue();
    await provider.start(context);
    const at = `127.0.0.1:${server.port}`;
    const link = fakeLink({ url: `redis://shop:p%40ss%3Aw%2Frd@${at}` });
    await provider.putLink(link);
    assert.equal(await increment(provider, link), "01");
    const set = fakeCall("E4", "KeyValue.Set", bytes("83a36b6579a16ba576616c7565a176a76578706972657300"), { link });
    await assert.rejects(async () => provider.handle(set), { code: "PROVIDER_FAILED", message: /'set' command/ });

    const wrong = fakeLink({ url: `redis://shop:hunter2@${at}` }, { revision: 2 });
    await provider.putLink(wrong);
    const health = await provider.health();
    assert.deepEqual(health, { healthy: false, message: `Redis at ${at} is unavailable: it refuses user or password` });
    await assert.rejects(increment(provider, wrong), {
      code: "STORE_UNAVAILABLE",
      message: `Redis at ${at} is unavailable: it refuses user or password`,
    });
    assert.doesNotMatch(lines.join(), /hunter2/);
    await provider.stop();
  },
);

test("a server that is away when the link is put is used from the moment it is there", { skip }, async () => {
  await using late = await StoreServer.start("redis-server");
  await late.kill();
  const provider = redisKeyvalue({ url: `redis://127.0.0.1:${late.port}` });
  const link = fakeLink();
  await provider.putLink(link);
  await assert.rejects(increment(provider, link), {
    code: "STORE_UNAVAILABLE",
    message: `Redis at 127.0.0.1:${late.port} is unavailable: connection refused`,
  });
  await late.start();
  await until(async () => (await provider.health()).healthy);
  assert.equal(await increment(provider, link), "01");
  await provider.stop();
});

test("a server that hangs is given up after some silence", { skip }, async () => {
  await using hanging = await StoreServer.start("redis-server");
  const place = readRedisUrl(`redis://127.0.0.1:${hanging.port}`, []);
  const store = new RedisStore(await RedisConnection.open(place, { silenceMs: 1_000 }, () => undefined));
  await store.set("a", "v", 0);
  process.kill(hanging.pid, "SIGSTOP");
  await assert.rejects(async () => store.get("a"), { code: "STORE_UNAVAILABLE" });
  process.kill(hanging.pid, "SIGCONT");
  await until(async () => (await store.health()).healthy);
  assert.equal(await store.get("a"), "v");
  await store.close();
});

test("TLS is spoken to a server that a named authority vouches for, and to no other", { skip }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "lattice-redis-tls-"));
  const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  writeFileSync(cert, localhostTls.cert);
  writeFileSync(key, localhostTls.key);
  const flags = `--tls-cert-file ${cert} --tls-key-file ${key} --tls-ca-cert-file ${cert} --tls-auth-clients no`;
  const tlsPort = await freePort();
  await using secure = await StoreServer.start("redis-server", [...flags.split(" "), "--tls-port", String(tlsPort)]);
  assert.ok(secure.pid > 0);
  const url = `rediss://localhost:${tlsPort}`;
  const [trusting, wary] = [redisKeyvalue({ url, caFile: cert }), redisKeyvalue({ url })];
  const link = fakeLink();
  await trusting.putLink(link);
  await wary.putLink(link);
  assert.equal(await increment(trusting, link), "01");
  await assert.rejects(increment(wary, link), { code: "STORE_UNAVAILABLE", message: /DEPTH_ZERO_SELF_SIGNED/ });
  await Promise.all([trusting.stop(), wary.stop()]);
  rmSync(folder, { recursive: true });
});
