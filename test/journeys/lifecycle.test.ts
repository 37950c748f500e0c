/** Starts, updates, stops and drains while calls go on. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Host, KeyPair, pack, type Provider, type ProviderContext, startHost } from "../../index.ts";
import { calling, callingThrough, fileBytes, obedient, signed } from "../support/actors.ts";
import { example } from "../support/examples.ts";
import { guestBytes } from "../support/guest-corpus.ts";
import { assemble, guestText } from "../support/guests.ts";
import { ask, codeOf, Gate, httpCode, send, start } from "../support/journey.ts";
import { until } from "../support/until.ts";

const keyvalue = ["wasmcloud:keyvalue"];
const web = ["wasmcloud:httpserver"];
const nothing = new Uint8Array();

/** An actor that answers every operation, HTTP among them, with the same text. */
function saying(word: string, signature: Parameters<typeof signed>[1]): Uint8Array {
  const reply = pack({ statusCode: 200, status: "OK", header: {}, body: Buffer.from(word) });
  const escaped = [...reply].map((byte) => `\\${byte.toString(16).padStart(2, "0")}`).join("");
  const text = guestText(`
    (data (i32.const 0) "${escaped}")
    (func (export "__guest_call") (param i32 i32) (result i32)
      (call $respond (i32.const 0) (i32.const ${reply.length}))
      (i32.const 1))`);
  return signed(assemble(text), signature);
}

/** Callers that never pause; `stop` answers what they met. They stop with the test, however it ends. */
function pressing(work: () => Promise<string>, callers = 6) {
  const met: string[] = [];
  let running = true;
  const all = Array.from({ length: callers }, async () => {
    while (running) {
      met.push(
        await work().catch((error: { code?: string; message?: string }) => error.code ?? error.message ?? "no message"),
      );
      await new Promise((resolve) => setImmediate(resolve));
    }
  });
  const stop = async () => {
    running = false;
    await Promise.all(all);
    return met;
  };
  return { met, stop, [Symbol.asyncDispose]: async () => void (await stop()) };
}

async function instancesOf(host: Host): Promise<number> {
  return (await host.fleet.stats()).reduce((sum, { instances }) => sum + instances, 0);
}

/** Actors whose token runs out after so many seconds, at work by then; false when it had run out before. */
async function expire(engines: number, seconds: number): Promise<boolean> {
  await using host = await startHost({ engines });
  const expiresAt = Math.ceil(Date.now() / 1_000) + seconds;
  const gate = new Gate();
  let held: Promise<string> | undefined;
  try {
    const actor = await start(host, obedient({ name: "mortal", capabilities: keyvalue, expiresAt }));
    const echo = fileBytes(example("echo-c"));
    const page = await start(host, signed(echo, { name: "page", capabilities: web, expiresAt }));
    const { urls } = await host.link(page, await host.startProvider("builtin:httpserver"), { values: { port: "0" } });
    await host.link(actor, await host.startProvider(gate));
    held = ask(host, actor, "Call", calling("wasmcloud:keyvalue", "Get"));
    held.catch(() => {});
    await until(() => gate.held === 1 || Date.now() >= expiresAt * 1_000);
    const early = await send(urls[0]!);
    if (Date.now() >= expiresAt * 1_000) return false;
    assert.deepEqual([gate.held, early.status], [1, 200]);

    const ranOut = async () => (await codeOf(host.call(actor, "Echo", nothing))) === "TOKEN_EXPIRED";
    await until(ranOut, seconds * 1_000 + 10_000);
    assert.ok(Date.now() >= expiresAt * 1_000);
    await assert.rejects(host.call(actor, "Echo", nothing), /the token of mortal expired at \d{4}-/);
    const refused = await send(urls[0]!);
    assert.deepEqual([refused.status, httpCode(refused)], [403, "TOKEN_EXPIRED"]);
    gate.open();
    assert.equal(await held, "let through");
    return true;
  } catch (error) {
    if (held === undefined && Date.now() >= expiresAt * 1_000) return false;
    throw error;
  } finally {
    // What is held would hold up the end of the host.
    gate.open();
  }
}

for (const engines of [0, 2]) {
  describe(engines === 0 ? "in the caller's thread" : "in two engines", () => {
    test("a host that drains finishes what is in flight and refuses what is new", async () => {
      const host = await startHost({ engines });
      await using _ = host;
      const actor = await start(host, signed(guestBytes("e4"), { name: "web", capabilities: [...keyvalue, ...web] }));
      const { urls } = await host.link(actor, await host.startProvider("builtin:httpserver"), {
        values: { port: "0" },
      });
      const gate = new Gate(pack(true));
      await host.link(actor, await host.startProvider(gate));
      const request = send(`${urls[0]}/keyvalue/Contains?key=k`);
      const call = ask(host, await start(host, obedient({ name: "inner", capabilities: keyvalue })), "Echo", "before");
      assert.equal(await call, "before");
      await until(() => gate.held === 1);

      const drained = host.drain();
      assert.equal(host.state, "draining");
      await until(async () => (await codeOf(host.call(actor, "Op", nothing))) === "DRAINING");
      await until(async () => {
        const late = await send(urls[0]!).catch((error: NodeJS.ErrnoException) => error.code);
        return late === "ECONNREFUSED" || (typeof late === "object" && late.status === 503);
      });
      assert.equal(await codeOf(start(host, obedient({ name: "late" }))), "DRAINING");
      gate.open();
      const answer = await request;
      assert.deepEqual([answer.status, answer.text], [200, '{"result":true}']);
      assert.equal(answer.headers.connection, "close");
      await drained;
    });

    test("an update under load loses no call, and when it is done only the new module answers", async () => {
      await using host = await startHost({ engines });
      const module = KeyPair.generate("module");
      const version = (number: number) =>
        saying(`version ${number}`, { name: "updated", capabilities: web, module, revision: number });
      const actor = await start(host, version(1));
      const { urls } = await host.link(actor, await host.startProvider("builtin:httpserver"), {
        values: { port: "0" },
      });
      await using calls = pressing(async () => /version \d/.exec(await ask(host, actor, "Any"))![0]);
      await using requests = pressing(async () => {
        const { status, text } = await send(urls[0]!);
        return status === 200 ? text : `${status} ${text}`;
      }, 3);
      for (const number of [2, 3, 4, 5]) {
        await until(
          () => requests.met.includes(`version ${number - 1}`) && calls.met.includes(`version ${number - 1}`),
        );
        await host.updateActor(actor, await host.load(version(number), "updated"));
        assert.equal((await send(urls[0]!)).text, `version ${number}`);
        assert.match(await ask(host, actor, "Any"), new RegExp(`version ${number}`));
      }
      for (const met of [await calls.stop(), await requests.stop()]) {
        assert.deepEqual(
          [...new Set(met)].toSorted(),
          [1, 2, 3, 4, 5].map((number) => `version ${number}`),
        );
      }
      await until(async () => (await instancesOf(host)) <= Math.max(1, engines) * 6);
    });

    test("stopping an actor under load answers or refuses every call clearly, and never half", async () => {
      await using host = await startHost({ engines });
      const caller = await start(host, obedient({ name: "caller" }));
      const signature = { name: "stopped", callAlias: "test/stopped", module: KeyPair.generate("module") };
      const stopped = await start(host, obedient(signature));
      await using direct = pressing(() => ask(host, stopped.id, "Echo", "whole"));
      await using nested = pressing(() => ask(host, caller, "Call", calling("test/stopped", "Echo", "whole")));
      for (let round = 0; round < 3; round++) {
        const before = [direct.met.length, nested.met.length];
        await until(() => direct.met.length > before[0]! + 20 && nested.met.length > before[1]! + 20);
        await host.stopActor(stopped.id);
        assert.equal(await codeOf(host.call(stopped.id, "Echo", nothing)), "ACTOR_ABSENT");
        assert.equal((await instancesOf(host)) > 0, true);
        await start(host, obedient(signature));
      }
      const outcomes = new Set(await direct.stop());
      const known = ["whole", "ACTOR_ABSENT", "DRAINING", "STOPPED"];
      assert.deepEqual(
        [...outcomes].filter((outcome) => !known.includes(outcome)),
        [],
      );
      const refusals = [
        /^whole$/,
        /^error: .*(no actor M|is draining|has stopped|Call alias not found|does not claim)/,
      ];
      const others = new Set(await nested.stop());
      assert.deepEqual(
        [...others].filter((outcome) => !refusals.some((each) => each.test(outcome))),
        [],
      );
    });

    test("an actor that is stopped finishes its chains, also those that come by it again, and refuses the rest", async () => {
      await using host = await startHost({ engines });
      const first = await start(host, obedient({ name: "first", callAlias: "test/first" }), { instances: 1 });
      const second = await start(host, obedient({ name: "second", capabilities: keyvalue, callAlias: "test/second" }));
      let context: ProviderContext | undefined;
      let asked = 0;
      const { promise: released, resolve: release } = Promise.withResolvers<void>();
      const detour: Provider = {
        contractId: "wasmcloud:keyvalue",
        name: "detour",
        start: (own) => void (context = own),
        handle: async (cause) => {
          asked++;
          await released;
          return context!.invoke(cause.link, "Call", calling("test/first", "Echo", "round and back"), { cause });
        },
      };
      await host.link(second, await host.startProvider(detour));
      const chain = ask(host, first, "Call", callingThrough(["test/second", "wasmcloud:keyvalue"], "Get"));
      await until(() => asked === 1);
      const stopping = host.stopActor(first);
      // One that came before still waits for the only instance.
      await until(async () => (await codeOf(host.call(first, "Echo", nothing, { timeoutMs: 50 }))) === "DRAINING");
      release();
      assert.equal(await chain, "round and back");
      await stopping;
      assert.equal(await codeOf(host.call(first.id, "Echo", nothing)), "ACTOR_ABSENT");
    });

    test("taking a link back under load: calls are answered or say that there is no link", async () => {
      await using host = await startHost({ engines });
      const actor = await start(host, obedient({ name: "linked", capabilities: keyvalue }));
      const gate = new Gate();
      gate.open();
      const provider = await host.startProvider(gate);
      await host.link(actor, provider);
      await using calls = pressing(() => ask(host, actor, "Call", calling("wasmcloud:keyvalue", "Get")));
      for (let round = 0; round < 3; round++) {
        const before = calls.met.length;
        await until(() => calls.met.length > before + 20);
        await host.unlink(actor, "wasmcloud:keyvalue");
        assert.match(
          await ask(host, actor, "Call", calling("wasmcloud:keyvalue", "Get")),
          /^error: linked has no link "default"/,
        );
        await host.link(actor, provider);
        assert.equal(await ask(host, actor, "Call", calling("wasmcloud:keyvalue", "Get")), "let through");
      }
      const outcomes = new Set(await calls.stop());
      assert.deepEqual(
        [...outcomes].filter((each) => each !== "let through" && !each.includes("has no link")),
        [],
      );
    });

    test("an actor whose token runs out while it runs takes no more calls; one in flight is finished", async () => {
      // On a busy machine a short token runs out before its actors are at work: then a longer one.
      for (let seconds = 1; !(await expire(engines, seconds)); seconds *= 4) assert.ok(seconds < 60);
    });

    test("ten actors start at once, answer, and stop at once", async () => {
      await using host = await startHost({ engines });
      const all = Array.from({ length: 10 }, (_, number) =>
        obedient({ name: `actor ${number}`, callAlias: `test/${number}` }),
      );
      for (const round of [1, 2]) {
        const actors = await Promise.all(all.map((bytes) => start(host, bytes)));
        const next = (number: number) => calling(`test/${(number + 1) % 10}`, "Echo", `${round}`);
        const answers = await Promise.all(actors.map((actor, number) => ask(host, actor, "Call", next(number))));
        assert.deepEqual(answers, Array(10).fill(`${round}`));
        await Promise.all(actors.map((actor) => host.stopActor(actor)));
        assert.deepEqual([host.wanted.placements.size, await instancesOf(host)], [0, 0]);
      }
    });

    test("of the same actor started several times at once exactly one runs", async () => {
      await using host = await startHost({ engines });
      const bytes = obedient({ name: "only" });
      const results = await Promise.all([1, 2, 3, 4, 5].map(() => codeOf(start(host, bytes))));
      assert.equal(results.filter((code) => code === "ALREADY_RUNNING").length, 4);
      assert.equal(results.filter((code) => code === undefined).length, 1);
      assert.equal(host.wanted.placements.size, 1);
      assert.equal(await instancesOf(host), Math.max(1, engines));
      assert.equal(await ask(host, "only", "Echo", "one"), "one");
    });

    test("an actor stopped while it starts either runs or is gone, everywhere the same", async () => {
      await using host = await startHost({ engines });
      for (let round = 0; round < 10; round++) {
        const module = await host.load(obedient({ name: "hasty" }), "hasty");
        const starting = codeOf(host.startActor(module));
        const stopping = codeOf(host.stopActor("hasty"));
        await Promise.all([starting, stopping]);
        const runs = host.wanted.placements.size === 1;
        assert.equal(await codeOf(host.call(module.key, "Echo", nothing)), runs ? undefined : "ACTOR_ABSENT");
        assert.equal(await instancesOf(host), runs ? Math.max(1, engines) : 0);
        if (runs) await host.stopActor("hasty");
      }
    });

    test("two actors cannot share an address: the second is refused with both names", async () => {
      await using host = await startHost({ engines });
      const provider = await host.startProvider("builtin:httpserver");
      const pages = [];
      for (const name of ["first page", "second page"]) {
        pages.push(await start(host, signed(fileBytes(example("echo-c")), { name, capabilities: web })));
      }
      const { urls } = await host.link(pages[0]!, provider, { values: { address: "127.0.0.1:0" } });
      const address = new URL(urls[0]!).host;
      await assert.rejects(host.link(pages[1]!, provider, { values: { address } }), {
        code: "ADDRESS_TAKEN",
        message: `${address} already serves first page, so second page cannot have it`,
      });
      assert.equal((await send(urls[0]!)).status, 200);
      assert.equal(host.wanted.links.size, 1);
      await host.unlink(pages[0]!, "wasmcloud:httpserver");
      const taken = await host.link(pages[1]!, provider, { values: { address } });
      assert.deepEqual(taken.urls, [`http://${address}`]);
      assert.equal((await send(taken.urls[0]!)).status, 200);
    });
  });
}

test("a call alias belongs to its first issuer: another issuer's actor is refused, the same one's waits for it", async () => {
  await using host = await startHost();
  const caller = await start(host, obedient({ name: "caller" }));
  const first = await start(host, obedient({ name: "first", callAlias: "test/name" }));
  const stranger = obedient({ name: "stranger", callAlias: "test/name", issuer: KeyPair.generate("account") });
  await assert.rejects(start(host, stranger), {
    code: "ALIAS_TAKEN",
    message: "call alias test/name belongs to first; stranger of another issuer may not take it",
  });
  assert.equal(host.wanted.placements.size, 2);

  await start(host, obedient({ name: "second", callAlias: "test/name" }));
  const count = () => ask(host, caller, "Call", calling("test/name", "Count"));
  assert.deepEqual([await count(), await ask(host, first, "Count")], ["1", "2"], "the alias means the first");
  await host.stopActor(first);
  assert.equal(await count(), "1", "now it means the second");
  assert.equal(await codeOf(start(host, stranger)), "ALIAS_TAKEN");
});

test("an update cannot take a stranger's alias either", async () => {
  await using host = await startHost();
  await start(host, obedient({ name: "holder", callAlias: "test/held" }));
  const signature = { name: "taker", issuer: KeyPair.generate("account"), module: KeyPair.generate("module") };
  const taker = await start(host, obedient(signature));
  const update = await host.load(obedient({ ...signature, callAlias: "test/held" }), "taker");
  assert.equal(await codeOf(host.updateActor(taker, update)), "ALIAS_TAKEN");
  assert.equal(await ask(host, taker, "Echo", "as before"), "as before");
});
