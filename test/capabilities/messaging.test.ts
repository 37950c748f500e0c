import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { Packr, Unpackr } from "msgpackr";
import {
  type Link,
  type MemoryMessagingOptions,
  type Message,
  type Provider,
  deliverOperation,
  encodeDelivery,
  memoryMessaging,
  readPublish,
  readRequest,
} from "../../capabilities/index.ts";
import { matcher, problemOf } from "../../capabilities/messaging-memory/subjects.ts";
import { type Era, fail, isLatticeError } from "../../lattice/index.ts";
import {
  type FakeContext,
  type FakeLinkOptions,
  bytes,
  fakeCall,
  fakeContext,
  fakeLink,
  hex,
} from "../support/capabilities.ts";
import { until } from "../support/until.ts";

const packr = new Packr({ useRecords: false, variableMapSize: true });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });
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

interface Got {
  readonly actor: string;
  readonly operation: string;
  readonly text: string;
  readonly replyTo: string;
}

/** Messaging with some actors that note what they get. */
class Room {
  readonly got: Got[] = [];
  readonly messaging: Provider;
  readonly context: FakeContext;
  onMessage: (got: Got, link: Link) => unknown = () => undefined;

  constructor(options: MemoryMessagingOptions = {}) {
    this.messaging = memoryMessaging(options);
    this.context = fakeContext(async (link, operation, payload) => {
      const { subject, replyTo, body } = readPublish(link.linkedActor.era, payload);
      const got = {
        actor: link.linkedActor.name,
        operation,
        text: `${subject}: ${Buffer.from(body).toString()}`,
        replyTo,
      };
      this.got.push(got);
      await this.onMessage(got, link);
      return new Uint8Array(0);
    });
    void this.messaging.start?.(this.context);
  }

  async join(name: string, values: Record<string, string>, options: FakeLinkOptions = {}): Promise<Link> {
    const link = fakeLink(values, { name, contractId: "wasmcloud:messaging", ...options });
    await this.messaging.putLink?.(link);
    return link;
  }

  publish(subject: string, text: string, replyTo = "", link = fakeLink()): Uint8Array {
    const payload = packr.pack({ subject, replyTo, body: Buffer.from(text) });
    return this.messaging.handle(fakeCall("E4", "Messaging.Publish", payload, { link })) as Uint8Array;
  }

  async request(subject: string, text: string, timeoutMs: number, era: Era = "E4"): Promise<Uint8Array> {
    const payload = packr.pack({ subject, body: Buffer.from(text), timeoutMs });
    return this.messaging.handle(fakeCall(era, era === "E4" ? "Messaging.Request" : "Request", payload));
  }

  texts(actor: string): string[] {
    return this.got.filter((each) => each.actor === actor).map(({ text }) => text);
  }
}

test("a message reaches every actor that listens to its subject, each in its own era", async () => {
  const room = new Room();
  await room.join("old", { SUBSCRIPTION: "news.*" }, { era: "E0" });
  await room.join("new", { SUBSCRIPTION: "weather, news.>" }, { era: "E4" });
  await room.join("deaf", { SUBSCRIPTION: "other" });
  await room.join("mute", {});
  assert.equal(hex(room.publish("news.today", "hi")), "", "E4 is answered with nothing");
  await room.messaging.drain?.();
  assert.deepEqual(
    room.got.map(({ actor, operation, text }) => [actor, operation, text]),
    [
      ["old", "DeliverMessage", "news.today: hi"],
      ["new", "MessageSubscriber.HandleMessage", "news.today: hi"],
    ],
  );
});

test("E3 is told that its message was published", () => {
  const room = new Room();
  const payload = packr.pack({ subject: "a", replyTo: "", body: Buffer.from("x") });
  assert.equal(
    hex(room.messaging.handle(fakeCall("E3", "Publish", payload)) as Uint8Array),
    "81a97075626c6973686564c3",
  );
});

test("members of a queue group share messages, others get each", async () => {
  const room = new Room();
  await room.join("w1", { SUBSCRIPTION: "jobs|workers" });
  await room.join("w2", { SUBSCRIPTION: "jobs", QUEUEGROUP_NAME: "workers" });
  await room.join("w3", { config_json: '{"subscriptions":["jobs|others"]}' });
  await room.join("all", { SUBSCRIPTION: "jobs" });
  for (let i = 0; i < 10; i++) room.publish("jobs", String(i));
  await room.messaging.drain?.();
  const [first, second] = [room.texts("w1"), room.texts("w2")];
  assert.equal(first.length + second.length, 10);
  assert.deepEqual([first.length, second.length], [5, 5], "to whom waits the least");
  assert.equal(room.texts("w3").length, 10);
  assert.equal(room.texts("all").length, 10);
});

test("a message keeps its bytes though the publisher's memory changes after the call", async () => {
  const room = new Room();
  await room.join("a", { SUBSCRIPTION: "s" });
  const payload = new Uint8Array(packr.pack({ subject: "s", body: Buffer.from("kept") }));
  await room.messaging.handle(fakeCall("E4", "Messaging.Publish", payload));
  payload.fill(0);
  await room.messaging.drain?.();
  assert.deepEqual(room.texts("a"), ["s: kept"]);

  room.onMessage = ({ replyTo }) => {
    const answer = new Uint8Array(packr.pack({ subject: replyTo, body: Buffer.from("kept too") }));
    void room.messaging.handle(fakeCall("E4", "Messaging.Publish", answer));
    answer.fill(0);
  };
  assert.equal(Buffer.from(await room.request("s", "?", 1_000, "E2")).toString(), "kept too");
});

test("an answer to a request is whatever comes first to its inbox; E2 gets the bare body", async () => {
  const room = new Room();
  await room.join("answerer", { SUBSCRIPTION: "ask" });
  room.onMessage = ({ replyTo }) => {
    room.publish(replyTo, "first");
    room.publish(replyTo, "second");
  };
  const reply = unpackr.unpack(await room.request("ask", "?", 1_000)) as { body: Buffer; subject: string };
  assert.equal(Buffer.from(reply.body).toString(), "first");
  assert.match(reply.subject, /^_INBOX\./);
  assert.equal(Buffer.from(await room.request("ask", "?", 1_000, "E2")).toString(), "first");
  assert.deepEqual(Object.keys(unpackr.unpack(await room.request("ask", "?", 1_000, "E3")) as object), [
    "subject",
    "replyTo",
    "body",
  ]);
});

test("a request that nobody hears fails at once, one that nobody answers at its time", async () => {
  const room = new Room();
  await assert.rejects(room.request("nobody", "?", 10_000), { code: "NO_RESPONDERS" });
  await room.join("silent", { SUBSCRIPTION: "ask" });
  await assert.rejects(room.request("ask", "?", 30), { code: "RPC_TIMEOUT" });
});

test("a request waits no longer than the call that makes it", async () => {
  const room = new Room();
  await room.join("silent", { SUBSCRIPTION: "ask" });
  const payload = packr.pack({ subject: "ask", body: Buffer.from("?"), timeoutMs: 60_000 });
  const call = fakeCall("E4", "Messaging.Request", payload, { deadline: performance.now() + 30 });
  await assert.rejects(async () => room.messaging.handle(call), { code: "RPC_TIMEOUT" });
});

test("a request ends its circle: the asker's hops go on with the message", async () => {
  let cause: unknown;
  const messaging = memoryMessaging();
  await messaging.start?.(
    fakeContext((_link, _operation, _payload, options) => {
      ({ cause } = options);
      throw fail("HOPS_EXCEEDED", "x", 16);
    }),
  );
  await messaging.putLink?.(fakeLink({ SUBSCRIPTION: "ask" }));
  const payload = packr.pack({ subject: "ask", body: Buffer.from("?"), timeoutMs: 30 });
  const call = fakeCall("E4", "Messaging.Request", payload, { hops: 3 });
  await assert.rejects(async () => messaging.handle(call));
  assert.equal(cause, call);
});

test("an actor that fails a message is noted and the others get theirs", async () => {
  const room = new Room();
  await room.join("bad", { SUBSCRIPTION: "s" });
  await room.join("good", { SUBSCRIPTION: "s" });
  room.onMessage = ({ actor }) => {
    if (actor === "bad") throw fail("GUEST_FAILED", "bad", "HandleMessage", "boom");
  };
  room.publish("s", "x");
  await room.messaging.drain?.();
  assert.deepEqual(room.texts("good"), ["s: x"]);
  assert.match(room.context.lines[0]?.text ?? "", /bad failed a message.*boom/);
});

test("an actor with too many messages waiting makes the publish fail, for all or for none", async () => {
  const room = new Room({ maxPending: 3 });
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
  const room = new Room();
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

test("an actor that is unlinked gets nothing more, and putting a link again replaces its subjects", async () => {
  const room = new Room();
  const link = await room.join("a", { SUBSCRIPTION: "one" });
  await room.join("a", { SUBSCRIPTION: "two" });
  room.publish("one", "x");
  room.publish("two", "y");
  await room.messaging.drain?.();
  assert.deepEqual(room.texts("a"), ["two: y"]);
  room.publish("two", "on its way");
  await room.messaging.deleteLink?.(link);
  await room.messaging.drain?.();
  room.publish("two", "z");
  await room.messaging.drain?.();
  assert.deepEqual(room.texts("a"), ["two: y"]);
  await room.messaging.deleteLink?.(link);
});

test("stopping fails the requests that still wait", async () => {
  const room = new Room();
  await room.join("silent", { SUBSCRIPTION: "ask" });
  const asked = room.request("ask", "?", 10_000);
  await room.messaging.stop?.();
  await assert.rejects(asked, { code: "STOPPED" });
  await room.messaging.stop?.();
});

test("subjects and link values that are wrong are refused with every problem", async () => {
  const room = new Room();
  for (const subject of ["", "a b", "a..b", "a.*", ">"]) {
    assert.throws(() => room.publish(subject, "x"), { code: "SUBJECT_INVALID" }, subject);
  }
  await assert.rejects(
    room.join("a", { SUBSCRIPTION: "a..b, c|, d|e|f" }),
    (error: { code?: string; message: string }) => {
      assert.equal(error.code, "LINK_VALUES_INVALID");
      assert.match(error.message, /a\.\.b.*c\|.*d\|e\|f/);
      return true;
    },
  );
  await assert.rejects(room.join("a", { config_json: "[" }), { code: "LINK_VALUES_INVALID" });
  await assert.rejects(room.join("a", { config_json: '{"subscriptions":[1]}' }), { code: "LINK_VALUES_INVALID" });
  await assert.rejects(room.join("a", { config_json: "null" }), { code: "LINK_VALUES_INVALID" });
});

test("random bytes are taken or refused by name", () => {
  const room = new Room();
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
