import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { startHost } from "../../host/index.ts";
import { askVerb } from "../../host/membership/verb-client.ts";
import { memoryConnection, MemoryServer, Subjects } from "../../lattice/index.ts";
import { obedient } from "../support/actors.ts";

const subjects = new Subjects("default");

void test("a module that a client left in the lattice's store starts on any host by its digest", async () => {
  const server = new MemoryServer();
  await using host = await startHost({ connection: memoryConnection(server), logLevel: "silent" });
  const client = memoryConnection(server);
  const bytes = obedient({ name: "Brought" });
  const name = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  await client.blobs("MODULES_default").put(name, bytes);
  const started = await askVerb(client.bus, subjects, host.id, "start.actor", { reference: `store:${name}` });
  assert.equal((started["actor"] as { name: string }).name, "Brought");
  const absent = `store:sha256:${"0".repeat(64)}`;
  await assert.rejects(askVerb(client.bus, subjects, host.id, "start.actor", { reference: absent }), {
    code: "FETCH_FAILED",
  });
});

void test("what lies in the store under another's digest does not start", async () => {
  const server = new MemoryServer();
  await using host = await startHost({ connection: memoryConnection(server), logLevel: "silent" });
  const client = memoryConnection(server);
  const name = `sha256:${createHash("sha256").update("something else").digest("hex")}`;
  await client.blobs("MODULES_default").put(name, obedient({ name: "Forged" }));
  await assert.rejects(askVerb(client.bus, subjects, host.id, "start.actor", { reference: `store:${name}` }), {
    code: "BLOB_CORRUPT",
  });
});
