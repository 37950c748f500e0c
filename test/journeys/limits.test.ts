/** Over a limit is a clear error to that one caller, in the caller's thread and in engines of their own. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Host, type Provider, type ProviderContext, startHost } from "../../index.ts";
import { calling, callingThrough, obedient, signed } from "../support/actors.ts";
import { guestBytes } from "../support/guest-corpus.ts";
import { assemble, guestText } from "../support/guests.ts";
import { ask, codeOf, Gate, httpCode, send, start } from "../support/journey.ts";
import { until } from "../support/until.ts";

const keyvalue = ["wasmcloud:keyvalue"];

async function instancesOf(host: Host): Promise<number> {
  return (await host.fleet.stats()).reduce((sum, { instances }) => sum + instances, 0);
}

for (const engines of [0, 1]) {
  describe(engines === 0 ? "in the caller's thread" : "in an engine of its own", () => {
    test("memory grows to the limit and no further, and the instance lives on", async () => {
      await using host = await startHost({ engines, limits: { memoryBytes: 2 ** 20 } });
      const actor = await start(host, obedient({ name: "grower" }));
      const pages: string[] = [];
      for (let i = 0; i < 20; i++) pages.push(await ask(host, actor, "Grow"));
      assert.equal(pages.at(-1), "16");
      assert.equal(pages.filter((each) => each === "16").length > 1, true);
      await ask(host, actor, "Count");
      assert.equal(await ask(host, actor, "Count"), "2");
    });

    test("a payload over the limit is refused with its size, into the actor and out of it", async () => {
      const payloadBytes = 64 * 1024;
      await using host = await startHost({ engines, limits: { payloadBytes } });
      const actor = await start(host, obedient({ name: "echo", capabilities: keyvalue }));
      const whole = new Uint8Array(payloadBytes).fill(120);
      assert.equal((await ask(host, actor, "Echo", whole)).length, payloadBytes);
      await assert.rejects(host.call(actor, "Echo", new Uint8Array(payloadBytes + 1)), {
        code: "PAYLOAD_TOO_LARGE",
        message: "the payload of Echo has 65537 bytes, more than the limit of 65536",
      });

      const talker = guestText(`(func (export "__guest_call") (param i32 i32) (result i32)
        (call $respond (i32.const 0) (i32.const 65537)) (i32.const 1))`);
      const loud = await start(host, signed(assemble(talker), { name: "loud" }));
      await assert.rejects(host.call(loud, "Talk", new Uint8Array()), {
        code: "PAYLOAD_TOO_LARGE",
        message: "the reply of loud to Talk has 65537 bytes, more than the limit of 65536",
      });

      const gate = new Gate(new Uint8Array(payloadBytes + 1));
      gate.open();
      await host.link(actor, await host.startProvider(gate));
      assert.match(
        await ask(host, actor, "Call", calling("wasmcloud:keyvalue", "Get")),
        /^error: .* has 65537 bytes, more than the limit of 65536$/,
      );
      assert.equal(await ask(host, actor, "Count"), "1");
    });

    test("calls beyond instances and queue are refused at once, with 503 and Retry-After over HTTP", async () => {
      await using host = await startHost({ engines, limits: { instances: 1, queue: 2 } });
      const web = await start(
        host,
        signed(guestBytes("e4"), { name: "web", capabilities: [...keyvalue, "wasmcloud:httpserver"] }),
      );
      const { urls } = await host.link(web, await host.startProvider("builtin:httpserver"), { values: { port: "0" } });
      const gate = new Gate();
      await host.link(web, await host.startProvider(gate));
      const url = `${urls[0]}/keyvalue/Contains?key=k`;
      const held = [send(url), send(url), send(url)];
      await until(async () => {
        const [stats] = (await host.fleet.stats()).flatMap(({ placements }) => placements);
        return gate.held === 1 && stats?.waiting === 2;
      });
      const refused = await send(url);
      assert.deepEqual([refused.status, httpCode(refused), refused.headers["retry-after"]], [503, "QUEUE_FULL", "1"]);
      assert.equal(await codeOf(host.call(web, "Op", new Uint8Array())), "QUEUE_FULL");
      const counts = (await host.fleet.stats()).map(({ errors }) => errors.QUEUE_FULL ?? 0);
      assert.equal(
        counts.reduce((a, b) => a + b),
        2,
        "each is counted once",
      );
      gate.open();
      assert.deepEqual(
        (await Promise.all(held)).map(({ status }) => status),
        [500, 500, 500],
      );
      assert.equal((await send(`${urls[0]}/numbers/Random32`)).status, 200);
    });

    test("two actors that call each other in a circle end at the hop limit, with one instance each", async () => {
      await using host = await startHost({ engines });
      const here = await start(host, obedient({ name: "here", callAlias: "test/here" }), { instances: 1 });
      await start(host, obedient({ name: "there", callAlias: "test/there" }), { instances: 1 });
      const circle = (hops: number) =>
        Array.from({ length: hops }, (_, hop) => (hop % 2 === 0 ? "test/there" : "test/here"));
      assert.equal(await ask(host, here, "Call", callingThrough(circle(15), "Echo", "around")), "around");
      assert.match(
        await ask(host, here, "Call", callingThrough(circle(16), "Echo", "around")),
        /^error: the call chain reached 16 hops at M/,
      );
      // As many circles at once as there is room for: none waits for another for ever.
      const all = Array.from({ length: 10 }, () => ask(host, here, "Call", callingThrough(circle(16), "Echo", "")));
      for (const answer of await Promise.all(all)) assert.match(answer, /reached 16 hops/);
      assert.equal(await ask(host, here, "Echo", "still here"), "still here");
    });

    test("a provider that calls the actor back in a circle ends at the hop limit too", async () => {
      await using host = await startHost({ engines });
      const actor = await start(host, obedient({ name: "actor", capabilities: keyvalue }), { instances: 1 });
      let context: ProviderContext | undefined;
      const mirror: Provider = {
        contractId: "wasmcloud:keyvalue",
        name: "mirror",
        start: (own) => void (context = own),
        handle: (cause) => context!.invoke(cause.link, "Call", calling("wasmcloud:keyvalue", "Again"), { cause }),
      };
      await host.link(actor, await host.startProvider(mirror));
      assert.match(await ask(host, actor, "Call", calling("wasmcloud:keyvalue", "Again")), /reached 16 hops/);
    });

    test("nested calls inherit the deadline, and all instances that waited are gone after it", async () => {
      await using host = await startHost({ engines });
      const first = await start(host, obedient({ name: "first" }));
      await start(host, obedient({ name: "second", callAlias: "test/second", capabilities: keyvalue }));
      const gate = new Gate();
      await host.link("second", await host.startProvider(gate));
      const through = calling("test/second", "Call", calling("wasmcloud:keyvalue", "Get"));
      const since = performance.now();
      // Time enough to reach the provider on a busy machine.
      const timeoutMs = 2_000;
      await assert.rejects(host.call(first, "Call", through, { timeoutMs }), {
        code: "DEADLINE_EXCEEDED",
        message: /^Call of first did not answer in \d+ ms$/,
      });
      const [call] = gate.calls;
      // Each hop to another thread adds what the message took.
      assert.ok(call!.deadline <= since + timeoutMs + 4_000, `${call!.deadline - since} ms left for the provider`);
      assert.deepEqual([call!.hops, call!.origin.kind === "actor" && call!.origin.name], [2, "second"]);
      await until(async () => (await instancesOf(host)) === 0);
      // Its late answer reaches nobody.
      gate.open();
      assert.equal(await ask(host, first, "Call", through), "let through");
    });

    test("a link's own deadline fails the host call, and the guest goes on", async () => {
      await using host = await startHost({ engines });
      const actor = await start(host, obedient({ name: "patient", capabilities: keyvalue }));
      const gate = new Gate();
      const provider = await host.startProvider(gate);
      await host.link(actor, provider, { values: { deadline: "80ms" } });
      assert.equal(await ask(host, actor, "Count"), "1");
      assert.match(
        await ask(host, actor, "Call", calling("wasmcloud:keyvalue", "Get")),
        /^error: .*gate did not answer in \d+ ms$/,
      );
      assert.equal(await ask(host, actor, "Count"), "2");
      await assert.rejects(host.link(actor, provider, { values: { deadline: "soon" } }), {
        code: "LINK_VALUES_INVALID",
      });
      gate.open();
    });

    test("CPU time is bounded for each call: the nested one that spins fails, its caller goes on", async () => {
      await using host = await startHost({ engines, limits: { cpuMs: 60 } });
      const caller = await start(host, obedient({ name: "caller" }));
      await start(host, obedient({ name: "spinner", callAlias: "test/spinner" }));
      await assert.rejects(host.call("spinner", "Spin", new Uint8Array()), {
        code: "GUEST_CPU_EXCEEDED",
        message: "spinner used more than 60 ms of CPU in Spin",
      });
      const twice = [1, 2].map(() => ask(host, caller, "Call", calling("test/spinner", "Spin")));
      for (const answer of await Promise.all(twice)) {
        assert.equal(answer, "error: spinner used more than 60 ms of CPU in Spin");
      }
      assert.equal(await ask(host, caller, "Echo", "fine"), "fine");
    });
  });
}

test("instances are bounded for the whole process, over all its engines", async () => {
  await using host = await startHost({ engines: 2, limits: { instancesPerProcess: 5 } });
  const first = await start(host, obedient({ name: "first" }));
  await start(host, obedient({ name: "second" }));
  await assert.rejects(start(host, obedient({ name: "third" })), {
    code: "INSTANCE_LIMIT",
    message: "this process already holds 5 instances",
  });
  // What the third had already taken is free again.
  await until(async () => (await instancesOf(host)) === 4);
  await host.stopActor(first);
  await start(host, obedient({ name: "fourth" }));
  assert.equal(await instancesOf(host), 4);
});

test("a call that finds no room for an instance fails clearly, and the next one is answered when there is room", async () => {
  await using host = await startHost({ limits: { instancesPerProcess: 2 } });
  const holder = await start(host, obedient({ name: "holder", capabilities: keyvalue }));
  const trapper = await start(host, obedient({ name: "trapper" }));
  const gate = new Gate();
  await host.link(holder, await host.startProvider(gate));
  assert.equal(await codeOf(host.call(trapper, "Trap", new Uint8Array())), "GUEST_TRAPPED");
  const held = [1, 2].map(() => ask(host, holder, "Call", calling("wasmcloud:keyvalue", "Get")));
  await until(() => gate.held === 2);
  assert.equal(await codeOf(host.call(trapper, "Echo", new Uint8Array())), "INSTANCE_LIMIT");
  gate.open();
  assert.deepEqual(await Promise.all(held), ["let through", "let through"]);
  await host.stopActor(holder);
  assert.equal(await ask(host, trapper, "Echo", "room"), "room");
});
