import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import {
  actorEntity,
  InvocationSigner,
  InvocationVerifier,
  KeyPair,
  LargePayloads,
  successResponse,
} from "../../../lattice/index.ts";
import { captured } from "../../support/captured-messages.ts";
import { ShelfBlobs } from "../../support/shelf-blobs.ts";

const threshold = 921_600;
const cluster = KeyPair.fromSeed(captured.clusterSeed, "cluster");
const signer = new InvocationSigner(cluster, captured.host);
const me = actorEntity(captured.echo);

function sign(payload: Uint8Array) {
  return signer.sign({ origin: actorEntity(captured.kvcounter), target: me, operation: "A.B", payload });
}

test("a payload at the threshold stays inside, one byte more goes through the store, both ways", async () => {
  const blobs = new ShelfBlobs();
  const payloads = new LargePayloads(blobs);
  const verifier = new InvocationVerifier({ issuers: [cluster.publicKey] });
  for (const [bytes, moved] of [
    [threshold, false],
    [threshold + 1, true],
  ] as const) {
    const payload = randomBytes(bytes);
    const sent = await payloads.offload(sign(payload));
    assert.deepEqual([...blobs.shelf.keys()], moved ? [sent.id] : []);
    assert.equal(sent.payload.length, moved ? 0 : bytes);
    assert.equal(sent.contentLength, bytes);
    const checked = verifier.check(sent, me);
    assert.ok(payload.equals(verifier.prove(checked, await payloads.payloadOf(checked)).payload));
    assert.equal(blobs.shelf.size, 0, "the object is gone afterwards");

    const answer = await payloads.offloadResponse(successResponse(sent.id, payload));
    assert.deepEqual([...blobs.shelf.keys()], moved ? [`${sent.id}-r`] : []);
    assert.ok(payload.equals(await payloads.payloadOfResponse(answer)));
    assert.equal(blobs.shelf.size, 0);
  }
});

test("an object that was exchanged for another is refused by the hash of the invocation", async () => {
  const payloads = new LargePayloads(new ShelfBlobs());
  const verifier = new InvocationVerifier({ issuers: [cluster.publicKey] });
  const sent = await payloads.offload(sign(randomBytes(threshold + 1)));
  await payloads.store(sent.id, randomBytes(threshold + 1));
  const checked = verifier.check(sent, me);
  const fetched = await payloads.payloadOf(checked);
  assert.throws(() => verifier.prove(checked, fetched), { code: "INVOCATION_PAYLOAD_ALTERED" });
});

test("an object that is damaged, missing, of another length or over the cap is refused by its code", async () => {
  const blobs = new ShelfBlobs();
  const payloads = new LargePayloads(blobs, { maxBytes: 2_000_000 });
  await payloads.store("damaged", randomBytes(threshold + 1));
  blobs.shelf.get("damaged")!.content[7]! ^= 1;
  await assert.rejects(payloads.take("damaged", threshold + 1), { code: "BLOB_CORRUPT" });
  await assert.rejects(payloads.take("missing", 1), { code: "PAYLOAD_GONE" });
  await payloads.store("short", randomBytes(10));
  await assert.rejects(payloads.take("short", 20), { code: "BLOB_CORRUPT" });
  await payloads.store("long", randomBytes(20));
  await assert.rejects(payloads.take("long", 10), { code: "PAYLOAD_TOO_LARGE" });
  await assert.rejects(payloads.take("any", 2_000_001), { code: "PAYLOAD_TOO_LARGE" });
  await assert.rejects(payloads.store("any", new Uint8Array(2_000_001)), { code: "PAYLOAD_TOO_LARGE" });
});

test("a length that a sender only claims fetches nothing below the threshold", async () => {
  const payloads = new LargePayloads(new ShelfBlobs());
  const invocation = { ...sign(Buffer.from("abc")), contentLength: 500_000 };
  assert.deepEqual(await payloads.payloadOf(invocation), Buffer.from("abc"));
});

test("what an SDK of 0.5x moved out from 700 KiB on is fetched", async () => {
  const payloads = new LargePayloads(new ShelfBlobs());
  const sent = { ...sign(randomBytes(720_000)), payload: new Uint8Array() };
  await payloads.store(sent.id, new Uint8Array(720_000));
  assert.equal((await payloads.payloadOf(sent)).length, 720_000);
});

test("without a store a large payload is refused with the threshold as limit", async () => {
  const payloads = new LargePayloads(undefined);
  await assert.rejects(payloads.offload(sign(new Uint8Array(threshold + 1))), /more than the limit of 921600/);
  const small = sign(new Uint8Array(3));
  assert.equal(await payloads.offload(small), small);
  assert.equal(await payloads.sweep(0), 0);
  await payloads.discard("x");
});

test("the sweep deletes leaked payloads and leaves young ones and what is none", async () => {
  const blobs = new ShelfBlobs();
  const payloads = new LargePayloads(blobs);
  const leaked = ["bf5e8c90cead471f952f1e6450d2d467", "01a1fb8d-0cd4-70c8-0759-608b28e6b188-r"];
  for (const name of [...leaked, "backup-of-the-shop", "0f5e8c90cead471f952f1e6450d2d467"])
    await payloads.store(name, Buffer.from("x"));
  for (const name of [...leaked, "backup-of-the-shop"]) blobs.shelf.get(name)!.at -= 120_000;
  assert.equal(await payloads.sweep(60_000), 2);
  assert.deepEqual([...blobs.shelf.keys()], ["backup-of-the-shop", "0f5e8c90cead471f952f1e6450d2d467"]);
});
