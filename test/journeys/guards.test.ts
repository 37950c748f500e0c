/** What stands around each call: policy, middleware, and the trace that goes through. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type HostOptions, KeyPair, memoryKeyvalue, type Provider, startHost } from "../../index.ts";
import { calling, obedient, signed } from "../support/actors.ts";
import { guestBytes } from "../support/guest-corpus.ts";
import houseRules from "../support/house-rules.ts";
import { ask, codeOf, Gate, httpCode, send, start } from "../support/journey.ts";
import translator from "../support/translator.ts";
import { until } from "../support/until.ts";

const path = (name: string) => fileURLToPath(new URL(`../support/${name}`, import.meta.url));
const keyvalue = ["wasmcloud:keyvalue"];
const nothing = new Uint8Array();

/** A provider that answers its payload. */
const mirror = (): Provider => ({
  contractId: "wasmcloud:keyvalue",
  name: "mirror",
  handle: ({ payload }) => payload.slice(),
});

const ways: Record<string, { policy: HostOptions; middleware: HostOptions }> = {
  "as functions, in the caller's thread": { policy: { policy: houseRules }, middleware: { middleware: [translator] } },
  "by path, in the caller's thread": {
    policy: { policy: path("house-rules.ts") },
    middleware: { middleware: [path("translator.ts")] },
  },
  "by path, in two engines": {
    policy: { engines: 2, policy: path("house-rules.ts") },
    middleware: { engines: 2, middleware: [path("translator.ts")] },
  },
};

for (const [way, options] of Object.entries(ways)) {
  describe(way, () => {
    test("a policy refuses starts and calls, nested and over HTTP, with its reason", async () => {
      await using host = await startHost(options.policy);
      const actor = await start(host, obedient({ name: "actor", capabilities: keyvalue }));
      await start(host, obedient({ name: "other", callAlias: "test/other" }));
      await assert.rejects(start(host, obedient({ name: "stranger" })), {
        code: "POLICY_REFUSED",
        message: "policy refuses start_actor of stranger: strangers stay outside",
      });
      await assert.rejects(host.startProvider({ ...mirror(), name: "stranger" }), { code: "POLICY_REFUSED" });
      assert.deepEqual([host.wanted.placements.size, host.wanted.providers.size], [2, 0]);

      assert.equal(await ask(host, actor, "Echo", "fine"), "fine");
      await assert.rejects(host.call(actor, "Secret", nothing), {
        code: "POLICY_REFUSED",
        message: /^policy refuses Secret on M\w+: it is a secret$/,
      });
      await assert.rejects(host.call(actor, "Boom", nothing), {
        code: "POLICY_REFUSED",
        message: /the book of rules burns/,
      });
      assert.match(
        await ask(host, actor, "Call", calling("test/other", "Secret")),
        /^error: policy refuses Secret on M/,
      );
      await host.link(actor, await host.startProvider(mirror()));
      assert.equal(await ask(host, actor, "Call", calling("wasmcloud:keyvalue", "Get", "fine")), "fine");
      assert.match(
        await ask(host, actor, "Call", calling("wasmcloud:keyvalue", "Secret")),
        /^error: policy refuses Secret on wasmcloud:keyvalue: it is a secret$/,
      );
    });

    test("middleware runs once around each call, on the actor's side and on the provider's", async () => {
      await using host = await startHost(options.middleware);
      const actor = await start(host, obedient({ name: "actor", capabilities: keyvalue }));
      await start(host, obedient({ name: "other", callAlias: "test/other" }));
      await host.link(actor, await host.startProvider(mirror()));
      assert.equal(await ask(host, actor, "Echo", "hello"), "(hello)");
      assert.equal(await ask(host, actor, "Echo", "halt"), "halted)");
      assert.equal(await ask(host, actor, "Call", calling("test/other", "Echo", "hello")), "(hello)");
      assert.equal(await ask(host, actor, "Call", calling("wasmcloud:keyvalue", "Get", "hello")), "[hello]");
      assert.equal(await ask(host, actor, "Call", calling("wasmcloud:keyvalue", "Get", "halt")), "halted]");
    });
  });
}

test("an update passes the policy as a start does", async () => {
  await using host = await startHost({ policy: houseRules });
  const module = KeyPair.generate("module");
  const actor = await start(host, obedient({ name: "friend", module }));
  const update = await host.load(obedient({ name: "stranger", module, revision: 2 }), "update");
  assert.equal(await codeOf(host.updateActor(actor, update)), "POLICY_REFUSED");
  assert.equal(await ask(host, actor, "Echo", "as before"), "as before");
});

test("a policy cannot allow what claims and links refuse", async () => {
  const asked: string[] = [];
  const generous = (request: { action: string }) => (asked.push(request.action), { allow: true } as const);
  await using host = await startHost({ policy: generous });
  const actor = await start(host, obedient({ name: "actor" }));
  await host.link(actor, await host.startProvider(memoryKeyvalue()));
  assert.match(await ask(host, actor, "Call", calling("wasmcloud:keyvalue", "Get")), /^error: actor does not claim/);
  assert.deepEqual(asked, ["start_actor", "start_provider", "perform_invocation"]);
});

for (const engines of [0, 2]) {
  test(`a trace goes from an HTTP request through two actors to a provider and into the logs (${engines} engines)`, async () => {
    await using host = await startHost({ engines, logLevel: "silent" });
    const web = await start(host, signed(guestBytes("e4"), { name: "web", capabilities: ["wasmcloud:httpserver"] }));
    const { urls } = await host.link(web, await host.startProvider("builtin:httpserver"), { values: { port: "0" } });
    const inner = await start(host, obedient({ name: "inner", callAlias: "test/inner", capabilities: keyvalue }));
    const gate = new Gate();
    gate.open();
    await host.link(inner, await host.startProvider(gate));
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const headers = { traceparent, tracestate: "vendor=1" };
    const through = (operation: string, body: Uint8Array | string) =>
      send(`${urls[0]}/call?target=test/inner&operation=${operation}`, { method: "POST", headers, body });

    const answer = await through("Call", calling("wasmcloud:keyvalue", "Get"));
    assert.deepEqual([answer.status, answer.text], [200, "let through"]);
    const [call] = gate.calls;
    assert.deepEqual([call?.trace, call?.hops], [headers, 2]);

    await through("Log", "seen");
    const lines = await until(() => {
      const all = host.logs.tail([inner.placement]);
      return all.length > 0 && all;
    });
    assert.deepEqual([lines[0]?.text, lines[0]?.trace_id], ["seen", "0af7651916cd43dd8448eb211c80319c"]);

    // Another caller's trace, given over the library.
    const own = { traceparent: `00-${"1".repeat(32)}-${"2".repeat(16)}-00` };
    await ask(host, inner, "Call", calling("wasmcloud:keyvalue", "Get"), { trace: own });
    assert.equal(gate.calls.at(-1)?.trace?.traceparent, own.traceparent);

    await host.stopActor(web);
    const refused = await through("Log", "unheard");
    assert.deepEqual([refused.status, httpCode(refused)], [404, "ACTOR_ABSENT"]);
    assert.match(refused.text, /"trace_id":"0af7651916cd43dd8448eb211c80319c"/);
  });
}
