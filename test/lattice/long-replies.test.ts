import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { LongReplies, MemoryBroker, wholeReply } from "../../lattice/index.ts";

const maxPayloadBytes = 1_024;
const timeoutMs = 15_000;

function buses() {
  const broker = new MemoryBroker();
  return { asking: broker.connect({ maxPayloadBytes }), answering: broker.connect({ maxPayloadBytes }) };
}

test("a reply of any length comes whole, with the headers of its answerer", async () => {
  const { asking, answering } = buses();
  const replies = new LongReplies(answering);
  const content = new Map(
    [0, 1, 511, 512, 513, 1_024, 1_025, 5_000, 100_000].map((length) => [`q.${length}`, randomBytes(length)]),
  );
  answering.subscribe("q.*", (message) => {
    replies.respond(message, content.get(message.subject)!, new Map([["Lattice-End", ["1"]]]));
  });
  for (const [subject, expected] of content) {
    const reply = await asking.request(subject, new Uint8Array(), { timeoutMs });
    assert.deepEqual(reply.headers.get("Lattice-End"), ["1"]);
    assert.deepEqual(Buffer.from(await wholeReply(asking, reply, timeoutMs)), expected, subject);
  }
});

test("what was fetched is kept no longer", async () => {
  const { asking, answering } = buses();
  const replies = new LongReplies(answering);
  answering.subscribe("q", (message) => replies.respond(message, new Uint8Array(2_000)));
  const reply = await asking.request("q", new Uint8Array(), { timeoutMs });
  await wholeReply(asking, reply, timeoutMs);
  await assert.rejects(wholeReply(asking, reply, timeoutMs), { code: "NO_RESPONDERS" });
});

test("no more is kept than 64 MiB for those who ask and never fetch", async () => {
  const { asking, answering } = buses();
  const replies = new LongReplies(answering);
  const refused: unknown[] = [];
  answering.subscribe("q", (message) => {
    try {
      replies.respond(message, new Uint8Array(30_000_000));
    } catch (error) {
      refused.push(error);
      message.respond(new Uint8Array());
    }
  });
  for (let asked = 0; asked < 3; asked++) await asking.request("q", new Uint8Array(), { timeoutMs });
  assert.equal((refused[0] as { code?: string }).code, "PAYLOAD_TOO_LARGE");
  assert.equal(refused.length, 1);
});

test("a reply of impossible length, or that ends early, is malformed", async () => {
  const { asking, answering } = buses();
  const more = (bytes: string) =>
    new Map([
      ["Lattice-More", ["rest"]],
      ["Lattice-Bytes", [bytes]],
    ]);
  answering.subscribe("rest", (message) => void message.respond(new Uint8Array()));
  answering.subscribe("q.*", (message) => void message.respond(Buffer.from("x"), more(message.subject.slice(2))));
  for (const bytes of ["many", "1", "1e12", "3"]) {
    const reply = await asking.request(`q.${bytes}`, new Uint8Array(), { timeoutMs });
    await assert.rejects(wholeReply(asking, reply, timeoutMs), { code: "REPLY_MALFORMED" });
  }
});
