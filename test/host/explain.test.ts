import assert from "node:assert/strict";
import { test } from "node:test";
import { ActorModule, explain, httpServer, memoryKeyvalue, startHost } from "../../index.ts";
import { example } from "../support/examples.ts";

test("explain tells each step that a call passes, and the one that stops it, as dispatch would", async () => {
  await using host = await startHost();
  const counter = await host.startActor(await ActorModule.fromFile(example("kvcounter-rust")));
  await host.link(counter, await host.startProvider(httpServer()), { values: { port: "0" } });
  const steps = async (operation?: string) => (await explain(host, "counter", operation)).steps;
  const failing = async (operation?: string) => (await steps(operation)).filter(({ ok }) => !ok);

  assert.deepEqual(
    (await failing()).map(({ step, code }) => [step, code]),
    [["may call", "LINK_ABSENT"]],
  );
  assert.match(
    (await steps()).find(({ step }) => step === "reached by")!.text,
    /^http:\/\/127\.0\.0\.1:\d+ through link/,
  );
  const store = await host.startProvider(memoryKeyvalue());
  await host.link(counter, store);
  assert.deepEqual(await failing(), []);

  assert.deepEqual(
    (await failing("wasmcloud:keyvalue/spare")).map(({ code }) => code),
    ["LINK_ABSENT"],
  );
  assert.deepEqual(
    (await failing("wasmcloud:messaging")).map(({ code }) => code),
    ["CLAIM_ABSENT"],
  );
  assert.deepEqual(
    (await failing("nobody/here")).map(({ code }) => code),
    ["ALIAS_ABSENT"],
  );
  assert.match((await failing("HandleRequest"))[0]!.text, /actors of E4 know HttpServer\.HandleRequest/);

  await assert.rejects(host.call(counter, "Nope", new Uint8Array()));
  assert.match((await steps()).at(-1)!.text, /Nope: .*failed Nope/);
  const times = (await steps()).find(({ step }) => step === "times");
  assert.match(times!.text, /^1 call so far: on average [\d.]+ ms in the queue and [\d.]+ ms of CPU in the guest/);
  await host.drainProvider(store);
  const [drained] = await failing("wasmcloud:keyvalue");
  assert.equal(drained?.code, "DRAINING");
  assert.match(drained.text, /linked to key-value in memory .*; draining here$/);
  await assert.rejects(explain(host, "absent"), { code: "ACTOR_ABSENT" });
});
