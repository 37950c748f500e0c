import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "../support/fast-check.ts";
import { Packr } from "msgpackr";
import {
  type MemoryMessagingOptions,
  type Message,
  deliverOperation,
  encodeDelivery,
  memoryMessaging,
  readPublish,
  readRequest,
} from "../../capabilities/index.ts";
import { matcher, problemOf } from "../../capabilities/messaging/subjects.ts";
import { type Era, fail, isLatticeError } from "../../lattice/index.ts";
import { messagingSuite } from "../../testing/index.ts";
import { bytes, fakeCall, fakeContext, fakeLink, hex } from "../support/capabilities.ts";
import { Room } from "../support/messaging-room.ts";
import { until } from "../support/until.ts";

const packr = new Packr({ useRecords: false, variableMapSize: true });
const message: Message = { subject: "t", replyTo: "o", body: Buffer.from("hi") };

// --- the contract -------------------------------------------------------------------------------

test("a message is delivered under the operation and in the encoding of the actor's era", () => {
  // Source: waPC and actors reference, sections 11.4 and 16.
  const rows: [Era, string, string][] = [
    ["E0", "DeliverMessage", "0a0a 0a0174 12016f 1a026869"],
    ["E1", "DeliverMessage", "91 93 a174 a16f 92 68 69"],
    ["E2", "DeliverMessage", "83a77375626a656374a174a77265706c79546fa16fa4626f6479c4026869"],
    ["E3", "HandleMessage", "83a77375626a656374a174a77265706c79546fa16fa4626f6479c4026869"],
    ["E4", "MessageSubscriber.HandleMessage", "83a77375626a656374a174a77265706c79546fa16fa4626f6479c4026869"],
  ];
  for (const [era, operation, form] of rows) {
    assert.equal(deliverOperation(era), operation);
    assert.equal(hex(encodeDelivery(era, message)), form.replaceAll(" ", ""), era);
  }
});

test("no address for an answer is an empty text, which E4 goes without", () => {
  const quiet = { ...message, replyTo: "" };
  assert.equal(hex(encodeDelivery("E2", quiet)), "83a77375626a656374a174a77265706c79546fa0a4626f6479c4026869");
  assert.equal(hex(encodeDelivery("E4", quiet)), "82a77375626a656374a174a4626f6479c4026869");
  assert.equal(
    hex(encodeDelivery("E1", quiet, "assemblyscript")),
    "83a77375626a656374a174a77265706c79546fa0a4626f6479c4026869",
  );
});

test("what actors publish is read in every form", () => {
  const forms: [Era, string][] = [
    ["E0", "120a 0a0174 12016f 1a026869"],
    ["E0", "0a0a 0a0174 12016f 1a026869"],
    ["E1", "91 93 a174 a16f 92 68 69"],
    ["E1", "93 a174 a16f c402 6869"],
    ["E2", "83a77375626a656374a174a77265706c79546fa16fa4626f6479c4026869"],
    ["E2", "83a77375626a656374a174a87265706c795f746fa16fa4626f6479a26869"],
    ["E3", "81a76d65737361676583a77375626a656374a174a77265706c79546fa16fa4626f6479c4026869"],
  ];
  for (const [era, form] of forms) {
    const { subject, replyTo, body } = readPublish(era, bytes(form));
    assert.deepEqual([subject, replyTo, Buffer.from(body).toString()], ["t", "o", "hi"], form);
  }
  const real = readPublish("E4", bytes("82a77375626a656374a172a4626f6479c4097265706c793a206869"));
  assert.deepEqual([real.subject, real.replyTo, Buffer.from(real.body).toString()], ["r", "", "reply: hi"]);
});

test("what actors ask is read in every form, with its wait in milliseconds", () => {
  const forms: [Era, string][] = [
    ["E0", "0a0174 12026869 18f403"],
    ["E1", "93 a174 92 68 69 cd01f4"],
    ["E2", "83a77375626a656374a174a4626f6479c4026869a774696d656f7574cd01f4"],
    ["E4", "83a77375626a656374a174a4626f6479c4026869a974696d656f75744d73cd01f4"],
  ];
  for (const [era, form] of forms) {
    const { subject, body, timeoutMs } = readRequest(era, bytes(form));
    assert.deepEqual([subject, Buffer.from(body).toString(), timeoutMs], ["t", "hi", 500], form);
  }
});

test("a message goes through every era unchanged", () => {
  const text = fc.string({ unit: "grapheme", maxLength: 30 }).map((each) => each.toWellFormed());
  fc.assert(
    fc.property(
      fc.constantFrom<Era>("E0", "E1", "E2", "E3", "E4"),
      text,
      text,
      fc.uint8Array(),
      (era, subject, replyTo, body) => {
        const read = readPublish(era, encodeDelivery(era, { subject, replyTo, body }));
        assert.deepEqual({ ...read, body: hex(read.body) }, { subject, replyTo, body: hex(body) });
      },
    ),
  );
});

test("wildcards stand for tokens: a star for one, a greater-than for the rest", () => {
  const rows: [string, string, boolean][] = [
    ["a.b", "a.b", true],
    ["a.b", "a.b.c", false],
    ["a.*", "a.b", true],
    ["a.*", "a", false],
    ["a.*", "a.b.c", false],
    ["*.b", "a.b", true],
    ["a.*.c", "a.b.c", true],
    ["a.>", "a.b.c", true],
    ["a.>", "a", false],
    [">", "a.b", true],
    ["a+b", "aab", false],
    ["a.b*", "a.bc", false],
    ["a.b*", "a.b*", true],
  ];
  for (const [pattern, subject, expected] of rows)
    assert.equal(matcher(pattern)(subject), expected, `${pattern} ${subject}`);
  for (const bad of ["", "a..b", ".a", "a.", "a b", "a.>.b", "x".repeat(513)]) assert.ok(problemOf(bad), bad);
});

// --- subjects within one host -------------------------------------------------------------------

messagingSuite("one host", () => ({ provider: memoryMessaging() }));

function openRoom(options: MemoryMessagingOptions = {}): Room {
  return new Room(memoryMessaging(options));
}

test("a request ends its circle: the asker's hops go on with the message", async () => {
  let cause: unknown;
  const messaging = memoryMessaging();
  messaging.start(
    fakeContext((_link, _operation, _payload, options) => {
      ({ cause } = options);
      throw fail("HOPS_EXCEEDED", "x", 16);
    }),
  );
  await messaging.putLink(fakeLink({ SUBSCRIPTION: "ask" }));
  const payload = packr.pack({ subject: "ask", body: Buffer.from("?"), timeoutMs: 30 });
  const call = fakeCall("E4", "Messaging.Request", payload, { hops: 3 });
  await assert.rejects(async () => messaging.handle(call));
  assert.equal(cause, call);
});

test("an actor with too many messages waiting makes the publish fail, for all or for none", async () => {
  const room = openRoom({ maxPending: 3 });
  await room.join("slow", { SUBSCRIPTION: "s" });
  await room.join("quick", { SUBSCRIPTION: "s" });
  let free = false;
  room.onMessage = ({ actor }) => (actor === "slow" ? until(() => free) : undefined);
  for (let i = 0; i < 3; i++) room.publish("s", String(i));
  assert.throws(() => room.publish("s", "one too many"), { code: "QUEUE_FULL", message: /slow/ });
  await until(() => room.texts("slow").length === 3);
  assert.throws(() => room.publish("s", "still"), { code: "QUEUE_FULL" });
  assert.equal(room.texts("quick").length, 3);
  free = true;
  await room.messaging.drain?.();
  room.publish("s", "again");
  await room.messaging.drain?.();
  assert.equal(room.texts("quick").length, 4);
});

test("two actors that answer each other for ever do not grow the stack or starve the rest", async () => {
  const room = openRoom();
  const ping = await room.join("ping", { SUBSCRIPTION: "ping" });
  await room.join("pong", { SUBSCRIPTION: "pong" });
  let rounds = 0;
  room.onMessage = ({ actor }) => {
    if (rounds++ < 5_000) room.publish(actor === "ping" ? "pong" : "ping", "x", "", ping);
  };
  room.publish("ping", "x");
  let turns = 0;
  await until(() => (turns++, rounds > 5_000));
  assert.ok(turns > 1, "other work ran in between");
});

test("what is on its way to an actor that is unlinked does not reach it", async () => {
  const room = openRoom();
  const link = await room.join("a", { SUBSCRIPTION: "s" });
  room.publish("s", "on its way");
  await room.messaging.deleteLink?.(link);
  await room.messaging.drain?.();
  assert.deepEqual(room.texts("a"), []);
});

test("a message goes to the member of a queue group that waits the least", async () => {
  const room = openRoom();
  await room.join("w1", { SUBSCRIPTION: "jobs|workers" });
  await room.join("w2", { SUBSCRIPTION: "jobs|workers" });
  for (let i = 0; i < 10; i++) room.publish("jobs", String(i));
  await room.messaging.drain?.();
  assert.deepEqual([room.texts("w1").length, room.texts("w2").length], [5, 5]);
});

test("random bytes are taken or refused by name", () => {
  const room = openRoom();
  const operations = ["Publish", "Messaging.Publish", "Messaging.Request", "Request", "Fly"];
  fc.assert(
    fc.property(
      fc.constantFrom<Era>("E0", "E1", "E2", "E4"),
      fc.constantFrom(...operations),
      fc.uint8Array({ maxLength: 40 }),
      (era, operation, payload) => {
        try {
          const answer = room.messaging.handle(fakeCall(era, operation, payload));
          if (answer instanceof Promise) answer.catch(() => {});
        } catch (error) {
          assert.ok(isLatticeError(error), String(error));
        }
      },
    ),
    { numRuns: 2_000 },
  );
});
