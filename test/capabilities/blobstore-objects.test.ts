import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import {
  type Link,
  ObjectBlobStore,
  type Provider,
  blobstoreProvider,
  natsBlobstore,
} from "../../capabilities/index.ts";
import { type Blobs, MemoryBlobStore, type MsgpackValue, pack, unpack } from "../../lattice/index.ts";
import { blobstoreSuite } from "../../testing/index.ts";
import { fakeCall, fakeContext, fakeLink } from "../support/capabilities.ts";
import { watchedConnection } from "../support/nats-connections.ts";
import { NatsServer, natsSkip } from "../support/nats-server.ts";
import { until } from "../support/until.ts";

const skip = natsSkip();
let server: NatsServer;
let buckets = 0;
before(async () => {
  if (skip === false) server = await NatsServer.start();
});
after(() => server?.[Symbol.asyncDispose]());

const memory = (blobs: Blobs = new MemoryBlobStore().open("b"), objectBytes = 10_000_000) =>
  new ObjectBlobStore(blobs, { name: "objects under test", objectBytes });

blobstoreSuite("an object store in process", () => {
  const store = memory();
  const provider = blobstoreProvider({ name: store.name, storeOf: () => store });
  return Promise.resolve({ provider, close: () => Promise.resolve() });
});

blobstoreSuite(
  "an object store of NATS",
  () => {
    const values = { URI: server.url, bucket: `b${buckets++}` };
    return { provider: natsBlobstore(), values, server: { kill: () => server.kill(), start: () => server.run() } };
  },
  { skip },
);

async function put(store: ObjectBlobStore, id: string, ...pieces: Uint8Array[]): Promise<void> {
  const writer = await store.write("box", id);
  for (const piece of pieces) await writer.append(piece);
  await writer.finish();
}

function countFetches(blobs: Blobs): { count: number } {
  const fetches = { count: 0 };
  const get = blobs.get.bind(blobs);
  blobs.get = (name, most) => (fetches.count++, get(name, most));
  return fetches;
}

test("an object over the bound is refused piece by piece, and what was there stays", async () => {
  const store = memory(undefined, 10);
  await store.createContainer("box");
  await put(store, "a", new Uint8Array(10));
  const writer = await store.write("box", "a");
  await writer.append(new Uint8Array(6));
  await assert.rejects(writer.append(new Uint8Array(5)), { code: "PAYLOAD_TOO_LARGE", message: /11 bytes.*10/ });
  await writer.cancel();
  assert.equal((await store.object("box", "a"))?.bytes, 10);
});

test("an object is fetched once for all its ranges, and anew when somebody replaced it", async () => {
  const blobs = new MemoryBlobStore().open("b");
  const fetches = countFetches(blobs);
  const [here, there] = [memory(blobs), memory(blobs)];
  await here.createContainer("box");
  const content = randomBytes(1_000);
  await put(here, "a", content);
  const parts = [];
  for (let at = 0; at < 1_000; at += 100) parts.push((await here.read("box", "a", at, at + 100))!);
  assert.ok(Buffer.concat(parts).equals(content));
  assert.equal(fetches.count, 1);
  await put(there, "a", Buffer.alloc(1_000, "x"));
  assert.equal(Buffer.from((await here.read("box", "a", 0, 3))!).toString(), "xxx");
  assert.equal(fetches.count, 2);
  await here.removeObject("box", "a");
  assert.equal(await here.read("box", "a", 0, 3), undefined);
});

test("what is kept of read objects is bounded", async () => {
  const blobs = new MemoryBlobStore().open("b");
  const store = memory(blobs, 100);
  await store.createContainer("box");
  for (const id of ["a", "b"]) await put(store, id, new Uint8Array(80));
  const fetches = countFetches(blobs);
  for (const id of ["a", "b", "b", "a"]) assert.equal((await store.read("box", id, 0, 80))?.length, 80);
  assert.equal(fetches.count, 3);
});

test("an upload into a container that is removed meanwhile fails, and a new one of its name is empty", async () => {
  const store = memory();
  await store.createContainer("box");
  await put(store, "old", new Uint8Array(1));
  const writer = await store.write("box", "a");
  await store.removeContainer("box");
  await assert.rejects(writer.finish(), { code: "CONTAINER_ABSENT" });
  await store.createContainer("box");
  assert.deepEqual(await store.objects("box"), []);
});

test("objects that others put into the store are passed over", async () => {
  const blobs = new MemoryBlobStore().open("b");
  for (const name of ["theirs", "a/b/c", "%/x", "/x", "box%2F/"]) await blobs.put(name, new Uint8Array(1));
  const store = memory(blobs);
  await store.createContainer("a");
  const names = (await store.containers()).map(({ container }) => container);
  assert.deepEqual(names, ["a", "box/"]);
  assert.deepEqual(await store.objects("a"), []);
});

test("a name that the store cannot take is refused", async () => {
  const store = memory();
  await assert.rejects(store.createContainer("é".repeat(100)), { code: "PAYLOAD_TOO_LARGE" });
});

/** Asks a provider as an E4 actor. */
async function ask(provider: Provider, link: Link, operation: string, value: MsgpackValue): Promise<unknown> {
  const reply = await provider.handle(fakeCall("E4", `Blobstore.${operation}`, pack(value), { link }));
  return reply.length === 0 ? undefined : unpack(reply, operation);
}

test("links say where their objects are, and hosts share them", { skip }, async () => {
  const [one, other] = [natsBlobstore({ url: server.url, bucket: "standard" }), natsBlobstore()];
  for (const provider of [one, other]) void provider.start?.(fakeContext());
  const contractId = "wasmcloud:blobstore";
  const [a, b, c] = [
    fakeLink({}, { name: "a", contractId }),
    fakeLink({ bucket: "mine" }, { name: "b", contractId }),
    fakeLink({ URL: server.url, bucket: "standard" }, { name: "c", contractId }),
  ];
  for (const link of [a, b]) await one.putLink!(link);
  await other.putLink!(c);
  await ask(one, a, "CreateContainer", "box");
  assert.equal(await ask(one, b, "ContainerExists", "box"), false);
  assert.equal(await ask(other, c, "ContainerExists", "box"), true);
  await using outside = await watchedConnection({ servers: server.url });
  await outside.connected();
  assert.deepEqual(
    (await outside.blobs("standard").list()).map(({ name }) => name),
    ["box/"],
  );
  await one.putLink!(fakeLink({ bucket: "mine" }, { name: "a", contractId, revision: 2 }));
  assert.equal(await ask(one, a, "ContainerExists", "box"), false);
  await one.deleteLink!(a);
  await one.deleteLink!(a);
  await assert.rejects(async () => ask(one, a, "ContainerExists", "box"), { code: "LINK_ABSENT" });
  for (const provider of [one, other]) await provider.stop!();
});

test("what is wrong is told at once, and a secret never", async () => {
  const provider = natsBlobstore();
  const link = fakeLink({ URI: "http://u:hunter2@h", bucket: "a b", CLIENT_SEED: "hunter2" });
  await assert.rejects(Promise.resolve(provider.putLink!(link)), (error: Error & { code?: string }) => {
    assert.equal(error.code, "LINK_VALUES_INVALID");
    assert.match(error.message, /URI is no .*CLIENT_SEED is no .*bucket is no/);
    return !error.message.includes("hunter2");
  });
  assert.throws(() => natsBlobstore({ bucket: "a b" }), { code: "OPTION_OUT_OF_RANGE" });
  assert.throws(() => natsBlobstore({ objectBytes: 0 }), { code: "OPTION_OUT_OF_RANGE" });
});

test("a server that is away fails calls at once and by name, and is used when it is back", { skip }, async () => {
  await using late = await NatsServer.start();
  const provider = natsBlobstore({ url: `nats://shop:hunter2@127.0.0.1:${late.port}` });
  void provider.start?.(fakeContext());
  const link = fakeLink({}, { contractId: "wasmcloud:blobstore" });
  await provider.putLink!(link);
  await ask(provider, link, "CreateContainer", "box");
  const well = async () => (await provider.health!()).healthy;
  await late.kill();
  await until(async () => !(await well()));
  await assert.rejects(ask(provider, link, "ContainerExists", "box"), (error: Error & { code?: string }) => {
    assert.equal(error.code, "SERVER_UNAVAILABLE");
    assert.match(error.message, new RegExp(`NATS at 127.0.0.1:${late.port} is unavailable`));
    return !error.message.includes("hunter2");
  });
  await late.run();
  await until(well);
  assert.equal(await ask(provider, link, "ContainerExists", "box"), true);
  await provider.stop!();
});

test("a server without JetStream says so", { skip }, async () => {
  await using plain = await NatsServer.start({ jetStream: false });
  const provider = natsBlobstore({ url: plain.url });
  void provider.start?.(fakeContext());
  const link = fakeLink({}, { contractId: "wasmcloud:blobstore" });
  await provider.putLink!(link);
  await assert.rejects(ask(provider, link, "CreateContainer", "box"), {
    code: "STATE_UNAVAILABLE",
    message: /wasmlattice-blobstore.*offers no JetStream/,
  });
  assert.deepEqual(await provider.health!(), {
    healthy: false,
    message: `NATS at 127.0.0.1:${plain.port} offers no JetStream`,
  });
  await provider.stop!();
});
