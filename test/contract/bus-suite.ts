import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import { describe, test } from "node:test";
import type { Bus, BusMessage, BusStatus } from "../../lattice/index.ts";
import { isLatticeError } from "../../lattice/index.ts";
import { until } from "../support/until.ts";

/** Several buses that reach each other; each `connect` is a host of its own. */
export interface BusNetwork {
  /** What handlers throw comes to `onHandlerError`. */
  connect(options?: { onHandlerError?: (error: unknown, subject: string) => void }): Promise<Bus> | Bus;
  close(): Promise<void> | void;
}

function bytes(text: string): Uint8Array {
  return Buffer.from(text);
}

function textOf({ payload }: Pick<BusMessage, "payload">): string {
  return Buffer.from(payload).toString();
}

function hasCode(code: string): (error: unknown) => boolean {
  return (error) => isLatticeError(error) && error.code === code;
}

/** What every Bus must do. Run it for each implementation. */
export function busSuite(
  name: string,
  open: () => Promise<BusNetwork> | BusNetwork,
  { skip = false }: { readonly skip?: string | false } = {},
): void {
  const behaviour = (title: string, body: (a: Bus, b: Bus, network: BusNetwork) => Promise<void>): void => {
    void test(title, async () => {
      const network = await open();
      const a = await network.connect();
      const b = await network.connect();
      try {
        await body(a, b, network);
      } finally {
        await a.close();
        await b.close();
        await network.close();
      }
    });
  };

  void describe(`${name} as a bus`, { skip }, () => {
    behaviour("a message reaches every subscription, on its own bus and on others", async (a, b) => {
      const got: string[] = [];
      a.subscribe("t.one", (message) => void got.push(`a:${textOf(message)}`));
      a.subscribe("t.one", (message) => void got.push(`a2:${textOf(message)}`));
      b.subscribe("t.one", (message) => void got.push(`b:${textOf(message)}`));
      b.subscribe("t.two", () => void got.push("wrong"));
      await Promise.all([a.flush(), b.flush()]);
      a.publish("t.one", bytes("hi"));
      await until(() => got.length === 3);
      assert.deepEqual(got.toSorted(), ["a2:hi", "a:hi", "b:hi"]);
    });

    behaviour("no handler runs inside the publish that reaches it", async (a) => {
      let inside = true;
      const seen = new Promise<boolean>((resolve) => {
        a.subscribe("t", () => resolve(inside));
      });
      await a.flush();
      a.publish("t", bytes(""));
      inside = false;
      assert.equal(await seen, false);
    });

    behaviour("messages of one sender arrive in order", async (a, b) => {
      const got: string[] = [];
      b.subscribe("t.>", (message) => void got.push(textOf(message)));
      await b.flush();
      const sent = Array.from({ length: 500 }, (_, index) => String(index));
      for (const text of sent) a.publish(`t.${Number(text) % 3}`, bytes(text));
      await until(() => got.length === sent.length);
      assert.deepEqual(got, sent);
    });

    behaviour("patterns take what they cover", async (a, b) => {
      const got: string[] = [];
      b.subscribe("p.*.x", ({ subject }) => void got.push(`star ${subject}`));
      b.subscribe("p.>", ({ subject }) => void got.push(`rest ${subject}`));
      b.subscribe("done", () => void got.push("done"));
      await b.flush();
      for (const subject of ["p.a.x", "p.a.y", "p", "p.a.b.x", "done"]) a.publish(subject, bytes(""));
      await until(() => got.includes("done"));
      assert.deepEqual(got.toSorted(), ["done", "rest p.a.b.x", "rest p.a.x", "rest p.a.y", "star p.a.x"]);
    });

    behaviour("members of a queue share the messages, others get them all", async (a, b) => {
      const counts = { first: 0, second: 0, other: 0, all: 0 };
      a.subscribe("q", () => void counts.first++, { queue: "workers" });
      b.subscribe("q", () => void counts.second++, { queue: "workers" });
      b.subscribe("q", () => void counts.other++, { queue: "others" });
      b.subscribe("q", () => void counts.all++);
      await Promise.all([a.flush(), b.flush()]);
      for (let index = 0; index < 300; index++) a.publish("q", bytes(""));
      await until(() => counts.all === 300 && counts.other === 300 && counts.first + counts.second === 300);
      assert.ok(counts.first > 50 && counts.second > 50, `shared as ${counts.first} and ${counts.second}`);
    });

    behaviour("payload, headers and reply arrive as sent", async (a, b) => {
      const got = new Promise<BusMessage>((resolve) => {
        b.subscribe("h", resolve);
      });
      await b.flush();
      const payload = Uint8Array.from({ length: 256 }, (_, index) => index);
      const headers = new Map([
        ["Trace", ["1-2-3"]],
        ["many", ["a", "b", "é ☃"]],
      ]);
      a.publish("h", payload, { headers, reply: "h.reply" });
      const message = await got;
      assert.deepEqual(Uint8Array.from(message.payload), payload);
      assert.deepEqual(
        Array.from(message.headers, ([key, values]) => [key, [...values]]),
        [...headers],
      );
      assert.equal(message.reply, "h.reply");
      assert.equal(message.subject, "h");
    });

    behaviour("a request gets the first reply, with its headers", async (a, b) => {
      b.subscribe("ask", (message) => {
        assert.equal(message.respond(bytes(`re: ${textOf(message)}`), new Map([["n", ["1"]]])), true);
        message.respond(bytes("too much"));
      });
      await b.flush();
      const reply = await a.request("ask", bytes("what"), { timeoutMs: 20_000 });
      assert.equal(textOf(reply), "re: what");
      assert.deepEqual(reply.headers.get("n"), ["1"]);
    });

    behaviour("many requests at once keep their replies apart", async (a, b) => {
      b.subscribe("double", async (message) => {
        await turn();
        message.respond(bytes(String(Number(textOf(message)) * 2)));
      });
      await b.flush();
      const asked = Array.from({ length: 200 }, (_, index) => index);
      const replies = await Promise.all(
        asked.map(async (n) => textOf(await a.request("double", bytes(String(n)), { timeoutMs: 20_000 }))),
      );
      assert.deepEqual(
        replies,
        asked.map((n) => String(n * 2)),
      );
    });

    behaviour("a request that nobody hears fails at once, one that nobody answers in its time", async (a, b) => {
      const before = performance.now();
      await assert.rejects(a.request("nobody", bytes(""), { timeoutMs: 10_000 }), hasCode("NO_RESPONDERS"));
      assert.ok(performance.now() - before < 9_000);
      b.subscribe("silent", () => {});
      await b.flush();
      await assert.rejects(a.request("silent", bytes(""), { timeoutMs: 30 }), hasCode("RPC_TIMEOUT"));
    });

    behaviour("who asks without a promise is told once and later, and not when it is refused at once", async (a, b) => {
      b.subscribe("ask", (message) => {
        message.respond(bytes(`re: ${textOf(message)}`));
        message.respond(bytes("too much"));
      });
      b.subscribe("silent", () => {});
      await b.flush();
      const told: string[] = [];
      const ask = (subject: string, timeoutMs: number) =>
        a.ask(
          subject,
          bytes(subject),
          { timeoutMs },
          {
            answered: (reply) => void told.push(textOf(reply)),
            failed: (error) => void told.push(isLatticeError(error) ? error.code : String(error)),
          },
        );
      ask("ask", 10_000);
      ask("nobody", 10_000);
      ask("silent", 30);
      assert.equal(told.join(), "");
      await until(() => told.length === 3);
      assert.deepEqual(told.toSorted(), ["NO_RESPONDERS", "RPC_TIMEOUT", "re: ask"]);
      let thrown: unknown;
      try {
        ask("ask", 0);
      } catch (error) {
        thrown = error;
      }
      await until(() => told.length === 4 || thrown !== undefined);
      assert.ok(hasCode("OPTION_OUT_OF_RANGE")(thrown) || told[3] === "OPTION_OUT_OF_RANGE");
      assert.ok(told.length === 3 || thrown === undefined);
    });

    behaviour("a request can be given up, before and while it waits", async (a, b) => {
      b.subscribe("silent", () => {});
      await b.flush();
      const giveUp = new AbortController();
      const waiting = a.request("silent", bytes(""), { timeoutMs: 10_000, signal: giveUp.signal });
      giveUp.abort();
      await assert.rejects(waiting, hasCode("CALLER_GONE"));
      const late = a.request("silent", bytes(""), { timeoutMs: 10_000, signal: giveUp.signal });
      await assert.rejects(late, hasCode("CALLER_GONE"));
    });

    behaviour("gathering collects all replies in its time, or as many as are enough", async (a, b) => {
      for (const [bus, text] of [
        [a, "one"],
        [b, "two"],
        [b, "three"],
      ] as const)
        bus.subscribe("who", (message) => void message.respond(bytes(text)));
      await Promise.all([a.flush(), b.flush()]);
      const all = await a.gather("who", bytes(""), { timeoutMs: 1_500 });
      assert.deepEqual(all.map(textOf).toSorted(), ["one", "three", "two"]);
      const before = performance.now();
      assert.equal((await a.gather("who", bytes(""), { timeoutMs: 10_000, max: 2 })).length, 2);
      assert.deepEqual(await a.gather("nobody", bytes(""), { timeoutMs: 10_000 }), []);
      assert.ok(performance.now() - before < 9_000);
    });

    behaviour("respond says false where no reply is wanted", async (a) => {
      const answered = new Promise<boolean>((resolve) => {
        a.subscribe("t", (message) => resolve(message.respond(bytes("x"))));
      });
      await a.flush();
      a.publish("t", bytes(""));
      assert.equal(await answered, false);
    });

    behaviour("a handler that throws or rejects is reported and hurts nobody", async (a, _b, network) => {
      const failures: string[] = [];
      const frail = await network.connect({
        onHandlerError: (error, subject) => failures.push(`${subject} ${String(error)}`),
      });
      let good = 0;
      frail.subscribe("t", () => {
        throw new Error("thrown");
      });
      frail.subscribe("t", async () => await Promise.reject(new Error("rejected")));
      frail.subscribe("t", () => void good++);
      await frail.flush();
      a.publish("t", bytes(""));
      a.publish("t", bytes(""));
      await until(() => good === 2 && failures.length === 4);
      assert.deepEqual([...new Set(failures)].toSorted(), ["t Error: rejected", "t Error: thrown"]);
      await frail.close();
    });

    behaviour("after unsubscribe nothing arrives, not even what was under way", async (a) => {
      let count = 0;
      const subscription = a.subscribe("t", () => void count++);
      let other = 0;
      a.subscribe("t", () => void other++);
      await a.flush();
      a.publish("t", bytes(""));
      subscription.unsubscribe();
      subscription.unsubscribe();
      a.publish("t", bytes(""));
      await until(() => other === 2);
      assert.equal(count, 0);
      await assert.rejects(a.request("nobody", bytes(""), { timeoutMs: 5_000 }), hasCode("NO_RESPONDERS"));
    });

    behaviour("a subscription drains: it finishes what it got and takes no more", async (a) => {
      const done: string[] = [];
      const { promise: gate, resolve: release } = Promise.withResolvers<void>();
      const subscription = a.subscribe("t", async (message) => {
        await gate;
        done.push(textOf(message));
      });
      await a.flush();
      a.publish("t", bytes("held"));
      await a.flush();
      const drained = subscription.drain();
      await a.flush();
      a.publish("t", bytes("late"));
      await a.flush();
      assert.deepEqual(done, []);
      release();
      await drained;
      assert.deepEqual(done, ["held"]);
      await subscription.drain();
    });

    behaviour("a bus drains: handlers at work finish, may publish and ask, then it is closed", async (a, b) => {
      const seen: BusStatus[] = [];
      b.onStatus((status) => seen.push(status));
      const { promise: gate, resolve: release } = Promise.withResolvers<void>();
      let begun = false;
      a.subscribe("help", (message) => void message.respond(bytes("helped")));
      b.subscribe("work", async (message) => {
        begun = true;
        await gate;
        const help = await b.request("help", bytes(""), { timeoutMs: 20_000 });
        message.respond(bytes(`done, ${textOf(help)}`));
      });
      await Promise.all([a.flush(), b.flush()]);
      const working = a.request("work", bytes(""), { timeoutMs: 60_000 });
      await until(() => begun);
      const drained = b.drain();
      assert.equal(b.status, "draining");
      assert.throws(() => b.subscribe("more", () => {}), hasCode("BUS_CLOSED"));
      await until(async () => {
        const nobody = a.request("work", bytes(""), { timeoutMs: 100 });
        return await nobody.then(() => false, hasCode("NO_RESPONDERS"));
      });
      release();
      assert.equal(textOf(await working), "done, helped");
      await drained;
      await b.drain();
      assert.equal(b.status, "closed");
      assert.deepEqual(seen, ["draining", "closed"]);
    });

    behaviour("a closed bus refuses everything, fails who waits, and closes twice", async (a, b) => {
      b.subscribe("silent", () => {});
      await b.flush();
      const waiting = a.request("silent", bytes(""), { timeoutMs: 10_000 });
      const gathering = a.gather("silent", bytes(""), { timeoutMs: 10_000 });
      await Promise.all([
        assert.rejects(waiting, hasCode("BUS_CLOSED")),
        assert.rejects(gathering, hasCode("BUS_CLOSED")),
        a.close(),
      ]);
      await a.close();
      await a.drain();
      assert.equal(a.status, "closed");
      assert.throws(() => a.publish("t", bytes("")), hasCode("BUS_CLOSED"));
      assert.throws(() => a.subscribe("t", () => {}), hasCode("BUS_CLOSED"));
      await assert.rejects(a.request("t", bytes(""), { timeoutMs: 10 }), hasCode("BUS_CLOSED"));
      await assert.rejects(a.flush(), hasCode("BUS_CLOSED"));
      assert.equal(b.status, "connected");
    });

    behaviour("a status listener that was taken away hears no more", async (_a, b) => {
      const seen: BusStatus[] = [];
      const forget = b.onStatus((status) => seen.push(status));
      forget();
      await b.close();
      assert.deepEqual(seen, []);
    });

    behaviour("wrong subjects, headers, sizes and times are refused by name", async (a) => {
      for (const subject of ["", "a..b", "a b", "a.*", ">"])
        assert.throws(() => a.publish(subject, bytes("")), hasCode("SUBJECT_INVALID"));
      assert.throws(() => a.publish("a", bytes(""), { reply: "b.*" }), hasCode("SUBJECT_INVALID"));
      assert.throws(() => a.subscribe("a.>.b", () => {}), hasCode("SUBJECT_INVALID"));
      assert.throws(() => a.subscribe("a", () => {}, { queue: "a b" }), hasCode("SUBJECT_INVALID"));
      for (const [header, value] of [
        ["a:b", "x"],
        ["", "x"],
        ["a\r\nb", "x"],
        ["a", "x\r\ny"],
      ] as const)
        assert.throws(
          () => a.publish("a", bytes(""), { headers: new Map([[header, [value]]]) }),
          hasCode("HEADER_INVALID"),
        );
      const tooLarge = new Uint8Array(a.maxPayloadBytes + 1);
      assert.throws(() => a.publish("a", tooLarge), hasCode("PAYLOAD_TOO_LARGE"));
      await assert.rejects(a.request("a", tooLarge, { timeoutMs: 100 }), hasCode("PAYLOAD_TOO_LARGE"));
      await assert.rejects(a.request("a", bytes(""), { timeoutMs: 0 }), hasCode("OPTION_OUT_OF_RANGE"));
      assert.doesNotThrow(() => a.publish("a", new Uint8Array(a.maxPayloadBytes)));
    });
  });
}
