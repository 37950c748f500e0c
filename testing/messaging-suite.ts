import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { Packr, Unpackr } from "msgpackr";
import type { Provider } from "../capabilities/index.ts";
import { type Era, fail, isLatticeError } from "../lattice/index.ts";
import { bytes, fakeCall, hex } from "./fakes.ts";
import { Room } from "./messaging-room.ts";
import type { ServerUnderTest, SuiteOptions } from "./server.ts";
import { until } from "./until.ts";

const packr = new Packr({ useRecords: false, variableMapSize: true });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });

/** For what a server that comes back takes, on a machine that is busy. */
const patientMs = 20_000;

/** A provider to be tried, the values that its links need, and the end of what stands behind it. */
export interface MessagingUnderTest {
  readonly provider: Provider;
  readonly values?: Record<string, string>;
  readonly close?: () => Promise<void> | void;
  /** The server behind it, where there is one. */
  readonly server?: ServerUnderTest;
}

/** What every provider of `wasmcloud:messaging` must do. Run it for each implementation. */
export function messagingSuite(
  name: string,
  open: () => MessagingUnderTest | Promise<MessagingUnderTest>,
  { skip = false }: SuiteOptions = {},
): void {
  const behaviour = (title: string, body: (room: Room, server: ServerUnderTest | undefined) => Promise<void>): void => {
    void test(title, async () => {
      const { provider, values = {}, close, server } = await open();
      const room = new Room(provider, values);
      try {
        await room.join("sender");
        await body(room, server);
      } finally {
        await provider.stop?.();
        await close?.();
      }
    });
  };

  void describe(`${name} as messaging`, { skip }, () => {
    behaviour("a message reaches every actor that listens to its subject, each in its own era", async (room) => {
      await room.join("old", { SUBSCRIPTION: "news.*" }, { era: "E0" });
      await room.join("new", { SUBSCRIPTION: "weather, news.>" }, { era: "E4" });
      await room.join("deaf", { SUBSCRIPTION: "other" });
      assert.equal(hex(room.publish("news.today", "hi")), "", "E4 is answered with nothing");
      await until(() => room.got.length === 2);
      assert.deepEqual(room.got.map(({ actor, operation, text }) => `${actor} ${operation} ${text}`).toSorted(), [
        "new MessageSubscriber.HandleMessage news.today: hi",
        "old DeliverMessage news.today: hi",
      ]);
    });

    behaviour("E3 is told that its message was published", async (room) => {
      const payload = packr.pack({ subject: "a", replyTo: "", body: Buffer.from("x") });
      const call = fakeCall("E3", "Publish", payload, { link: room.link("sender") });
      assert.equal(hex(await room.messaging.handle(call)), "81a97075626c6973686564c3");
    });

    behaviour("members of a queue group share messages, others get each", async (room) => {
      await room.join("w1", { SUBSCRIPTION: "jobs|workers" });
      await room.join("w2", { SUBSCRIPTION: "jobs", QUEUEGROUP_NAME: "workers" });
      await room.join("w3", { config_json: '{"subscriptions":["jobs|others"]}' });
      await room.join("w4", { config_b64: Buffer.from('{"subscriptions":["jobs"]}').toString("base64") });
      for (let i = 0; i < 40; i++) room.publish("jobs", String(i));
      await until(() => room.texts("w3").length === 40 && room.texts("w4").length === 40);
      await until(() => room.got.length >= 120);
      const shared = [...room.texts("w1"), ...room.texts("w2")];
      assert.equal(new Set(shared).size, 40);
      assert.equal(shared.length, 40);
      assert.ok(room.texts("w1").length > 0 && room.texts("w2").length > 0);
    });

    behaviour("messages of one sender on one subject arrive in their order", async (room) => {
      await room.join("a", { SUBSCRIPTION: "s" });
      for (let i = 0; i < 200; i++) room.publish("s", String(i));
      await until(() => room.got.length === 200);
      assert.deepEqual(
        room.texts("a"),
        Array.from({ length: 200 }, (_, i) => `s: ${i}`),
      );
    });

    behaviour("a message keeps its bytes though the publisher's memory changes after the call", async (room) => {
      await room.join("a", { SUBSCRIPTION: "s" });
      const payload = new Uint8Array(packr.pack({ subject: "s", body: Buffer.from("kept") }));
      await room.messaging.handle(fakeCall("E4", "Messaging.Publish", payload, { link: room.link("sender") }));
      payload.fill(0);
      await until(() => room.got.length === 1);
      assert.deepEqual(room.texts("a"), ["s: kept"]);

      room.onMessage = ({ replyTo }) => {
        const answer = new Uint8Array(packr.pack({ subject: replyTo, body: Buffer.from("kept too") }));
        void room.messaging.handle(fakeCall("E4", "Messaging.Publish", answer, { link: room.link("sender") }));
        answer.fill(0);
      };
      assert.equal(Buffer.from(await room.request("s", "?", 20_000, "E2")).toString(), "kept too");
    });

    behaviour("any bytes arrive as they were, many of them too", async (room) => {
      const bodies: string[] = [];
      await room.join("a", { SUBSCRIPTION: "s" });
      room.context.invoke = async (_link, _operation, payload) => {
        bodies.push(hex((unpackr.unpack(payload) as { body: Uint8Array }).body));
        return new Uint8Array(0);
      };
      const sent = [
        Uint8Array.from({ length: 256 }, (_, i) => i),
        new Uint8Array(0),
        new Uint8Array(1_000_000).fill(0x0d),
      ];
      for (const body of sent) room.publish("s", body);
      await until(() => bodies.length === 3);
      assert.ok(sent.every((body, i) => hex(body) === bodies[i]));
    });

    behaviour("sixty-four callers at once get each the own answer, and every message arrives once", async (room) => {
      await room.join("answerer", { SUBSCRIPTION: "ask" });
      await room.join("listener", { SUBSCRIPTION: "told" });
      room.onMessage = ({ replyTo, text }) => replyTo !== "" && room.publish(replyTo, `to ${text}`);
      await Promise.all(
        Array.from({ length: 64 }, async (_, caller) => {
          for (let i = 0; i < 5; i++) {
            const answer = await room.request("ask", `${caller}.${i}`, 10_000, "E2");
            assert.equal(Buffer.from(answer).toString(), `to ask: ${caller}.${i}`);
            room.publish("told", `${caller}.${i}`);
          }
        }),
      );
      await until(() => room.texts("listener").length >= 320, patientMs);
      assert.equal(new Set(room.texts("listener")).size, 320);
      assert.equal(room.texts("listener").length, 320);
    });

    behaviour("while its server is away calls fail at once, and go on when it is back", async (room, server) => {
      if (!server) return;
      await room.join("a", { SUBSCRIPTION: "s" });
      const isWell = async () => (await room.messaging.health?.())?.healthy === true;
      await until(isWell, patientMs);
      await server.kill();
      await until(async () => !(await isWell()), patientMs);
      assert.throws(() => room.publish("s", "lost"), { code: "SERVER_UNAVAILABLE" });
      await assert.rejects(room.request("s", "lost", 60_000), { code: "SERVER_UNAVAILABLE" });
      // A link that comes meanwhile listens once there is something to listen to.
      await room.join("late", { SUBSCRIPTION: "s" });
      await server.start();
      await until(isWell, patientMs);
      room.publish("s", "back");
      await until(() => room.got.length === 2, patientMs);
      assert.deepEqual([...room.texts("a"), ...room.texts("late")], ["s: back", "s: back"]);
    });

    behaviour("every request under way ends when the server goes, and none is answered twice", async (room, server) => {
      if (!server) return;
      await room.join("answerer", { SUBSCRIPTION: "ask" });
      room.onMessage = ({ replyTo }) => room.publish(replyTo, "!");
      const asked = Array.from({ length: 64 }, async (_, i) => room.request("ask", String(i), 3_000));
      const settled = Promise.allSettled(asked);
      await server.kill();
      for (const outcome of await settled) {
        if (outcome.status === "fulfilled") continue;
        assert.ok(isLatticeError(outcome.reason), String(outcome.reason));
        assert.match(outcome.reason.code, /^(SERVER_UNAVAILABLE|RPC_TIMEOUT|NO_RESPONDERS)$/);
      }
      assert.equal(new Set(room.texts("answerer")).size, room.texts("answerer").length);
      await server.start();
      await until(async () => (await room.messaging.health?.())?.healthy === true, patientMs);
      assert.ok((await room.request("ask", "again", 10_000)).length > 0);
    });

    behaviour("an answer is whatever comes first; E2 gets the bare body", async (room) => {
      await room.join("answerer", { SUBSCRIPTION: "ask" });
      room.onMessage = ({ replyTo }) => {
        room.publish(replyTo, "first");
        room.publish(replyTo, "second");
      };
      const reply = unpackr.unpack(await room.request("ask", "?", 20_000)) as { body: Buffer; subject: string };
      assert.equal(Buffer.from(reply.body).toString(), "first");
      assert.match(reply.subject, /^_INBOX\./);
      assert.equal(Buffer.from(await room.request("ask", "?", 20_000, "E2")).toString(), "first");
      const wrapped = unpackr.unpack(await room.request("ask", "?", 20_000, "E3")) as object;
      assert.deepEqual(Object.keys(wrapped), ["subject", "replyTo", "body"]);
    });

    behaviour("where an answer is wanted arrives with the message", async (room) => {
      await room.join("a", { SUBSCRIPTION: "s, answers.*" });
      room.publish("s", "?", "answers.1");
      await until(() => room.got.length === 1);
      room.publish(room.got[0]!.replyTo, "!");
      await until(() => room.got.length === 2);
      assert.deepEqual(
        room.got.map(({ text, replyTo }) => [text, replyTo]),
        [
          ["s: ?", "answers.1"],
          ["answers.1: !", ""],
        ],
      );
    });

    behaviour("a request that nobody hears fails at once, one that nobody answers at its time", async (room) => {
      await assert.rejects(room.request("nobody", "?", 9_000), { code: "NO_RESPONDERS" });
      await room.join("silent", { SUBSCRIPTION: "ask" });
      await assert.rejects(room.request("ask", "?", 30), { code: "RPC_TIMEOUT" });
    });

    behaviour("a request waits no longer than the call that makes it", async (room) => {
      await room.join("silent", { SUBSCRIPTION: "ask" });
      const payload = packr.pack({ subject: "ask", body: Buffer.from("?"), timeoutMs: 60_000 });
      const link = room.link("sender");
      const call = fakeCall("E4", "Messaging.Request", payload, { link, deadline: performance.now() + 30 });
      await assert.rejects(async () => room.messaging.handle(call), { code: "RPC_TIMEOUT" });
    });

    behaviour("an actor that fails a message is noted and the others get theirs", async (room) => {
      await room.join("bad", { SUBSCRIPTION: "s" });
      await room.join("good", { SUBSCRIPTION: "s" });
      room.onMessage = ({ actor }) => {
        if (actor === "bad") throw fail("GUEST_FAILED", "bad", "HandleMessage", "boom");
      };
      room.publish("s", "x");
      await until(() => room.texts("good").length === 1 && room.context.lines.length > 0);
      assert.match(room.context.lines[0]?.text ?? "", /bad failed a message.*boom/);
    });

    behaviour("an actor that is unlinked gets nothing more", async (room) => {
      const link = await room.join("a", { SUBSCRIPTION: "s" });
      await room.join("b", { SUBSCRIPTION: "s" });
      await room.messaging.deleteLink?.(link);
      await room.messaging.deleteLink?.(link);
      room.publish("s", "x");
      await until(() => room.texts("b").length === 1);
      assert.deepEqual(room.texts("a"), []);
    });

    behaviour("putting a link again replaces its subjects", async (room) => {
      await room.join("a", { SUBSCRIPTION: "one" });
      await room.join("a", { SUBSCRIPTION: "two" });
      room.publish("one", "x");
      room.publish("two", "y");
      await until(() => room.got.length > 0);
      assert.deepEqual(room.texts("a"), ["two: y"]);
    });

    behaviour("no message is lost or doubled while a link is put again and again", async (room) => {
      const subjects = ["s", "s, t", "s|group", "s"];
      await room.join("a", { SUBSCRIPTION: subjects[0]! });
      let sent = 0;
      for (const SUBSCRIPTION of [...subjects, ...subjects]) {
        let joined = false;
        const joining = room.join("a", { SUBSCRIPTION }).then(() => (joined = true));
        for (let i = 0; i < 20; i++) room.publish("s", String(sent++));
        while (!joined) {
          room.publish("s", String(sent++));
          await setImmediate();
        }
        await joining;
        for (let i = 0; i < 20; i++) room.publish("s", String(sent++));
        await until(() => room.got.length >= sent);
      }
      await room.messaging.drain?.();
      assert.equal(room.got.length, sent);
      assert.equal(new Set(room.texts("a")).size, sent);
    });

    behaviour("an actor that changes its era is spoken to in the new one", async (room) => {
      await room.join("a", { SUBSCRIPTION: "s" }, { era: "E2" });
      await room.join("a", { SUBSCRIPTION: "s" }, { era: "E4" });
      room.publish("s", "x");
      await until(() => room.got.length === 1);
      assert.equal(room.got[0]?.operation, "MessageSubscriber.HandleMessage");
    });

    behaviour("draining waits for the messages that actors work on", async (room) => {
      await room.join("slow", { SUBSCRIPTION: "s" });
      let free = false;
      room.onMessage = () => until(() => free);
      room.publish("s", "x");
      await until(() => room.got.length === 1);
      let drained = false;
      const draining = Promise.resolve(room.messaging.drain?.()).then(() => (drained = true));
      await room.request("nobody", "?", 1_000).catch(() => undefined);
      assert.equal(drained, false);
      free = true;
      await draining;
    });

    behaviour("stopping fails the requests that still wait", async (room) => {
      await room.join("silent", { SUBSCRIPTION: "ask" });
      const asked = assert.rejects(room.request("ask", "?", 9_000), { code: "STOPPED" });
      await until(() => room.got.length === 1);
      await room.messaging.stop?.();
      await asked;
      await room.messaging.stop?.();
    });

    behaviour("bytes that make no sense, and operations of other contracts, are refused by name", async (room) => {
      const call = async (era: Era, operation: string, payload: string) =>
        room.messaging.handle(fakeCall(era, operation, bytes(payload), { link: room.link("sender") }));
      for (const [era, operation] of [
        ["E0", "Publish"],
        ["E2", "Publish"],
        ["E2", "Request"],
        ["E3", "Publish"],
        ["E4", "Messaging.Publish"],
        ["E4", "Messaging.Request"],
      ] as const)
        for (const payload of ["0aff", "82a77375", "81a7737562"])
          await assert.rejects(call(era, operation, payload), { code: "PAYLOAD_MALFORMED" }, `${operation} ${payload}`);
      await assert.rejects(call("E4", "Messaging.Fly", "80"), { code: "OPERATION_UNKNOWN" });
    });

    behaviour("subjects and link values that are wrong are refused with every problem", async (room) => {
      for (const subject of ["", "a b", "a..b", "a.*", ">"])
        assert.throws(() => room.publish(subject, "x"), { code: "SUBJECT_INVALID" }, subject);
      const values = { SUBSCRIPTION: "a..b, c|, d|e|f, g|*", config_json: '{"nats":"hunter2"}' };
      await assert.rejects(room.join("a", values), (error: { code?: string; message: string }) => {
        assert.equal(error.code, "LINK_VALUES_INVALID");
        assert.match(error.message, /a\.\.b.*c\|.*d\|e\|f.*g\|\*|nats is not known/);
        return !error.message.includes("hunter2");
      });
      for (const config_json of ["[", '{"subscriptions":[1]}', "null"])
        await assert.rejects(room.join("a", { config_json }), { code: "LINK_VALUES_INVALID" }, config_json);
    });
  });
}
