import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryBlobStore, memoryConnection, MemoryServer } from "../../lattice/index.ts";
import { blobsSuite } from "../contract/blobs-suite.ts";
import { busSuite } from "../contract/bus-suite.ts";
import { stateSuite } from "../contract/state-suite.ts";

blobsSuite("the object store in process", () => {
  const store = new MemoryBlobStore();
  return { open: () => store.open("default"), close: () => {} };
});

busSuite("a connection in process", () => {
  const server = new MemoryServer();
  return { connect: (options) => memoryConnection(server, options).bus, close: () => {} };
});

stateSuite("a connection in process", () => {
  const server = new MemoryServer();
  return { open: () => memoryConnection(server).state("LATTICEDATA_default"), close: () => {} };
});

test("connections of one server meet, those of two do not; a closed one refuses", async () => {
  const server = new MemoryServer();
  await using one = memoryConnection(server);
  await using two = memoryConnection(server);
  await using other = memoryConnection();
  await one.state("b").put("k", Buffer.from("1"));
  await one.blobs("b").put("o", Buffer.from("2"));
  assert.equal((await two.state("b").get("k"))?.revision, 1);
  assert.equal((await two.blobs("b").get("o", 10))?.length, 1);
  assert.equal(await other.state("b").get("k"), undefined);
  assert.equal(one.state("b"), one.state("b"));
  await one.drain();
  await one.close();
  assert.equal(one.bus.status, "closed");
  await assert.rejects(one.state("b").get("k"), { code: "STOPPED" });
  assert.equal(two.bus.status, "connected");
});
