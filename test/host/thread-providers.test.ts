/** Providers of modules in threads of their own: what they do badly is theirs alone. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { type Host, type HostOptions, startHost, threadProvider, type ThreadOptions } from "../../index.ts";
import type { LatticeError } from "../../lattice/index.ts";
import { fakeCall, fakeContext, fakeLink } from "../support/capabilities.ts";
import { describeOf } from "../support/described.ts";
import { askHost, edgeActor } from "../support/edge.ts";
import { unrulyLink, unrulyModule } from "../support/unruly-child.ts";
import { until } from "../support/until.ts";

const hanging = fileURLToPath(new URL("../support/hanging-provider.ts", import.meta.url));
const contract = "wasmcloud:keyvalue";
const patient = 60_000;
const silenceMs = 1_000;

async function startUnruly(options: ThreadOptions = {}) {
  const provider = await threadProvider(unrulyModule, options);
  const context = fakeContext();
  await provider.start(context);
  await provider.putLink(unrulyLink);
  const call = async (operation: string, argument = "", more = {}) => {
    const given = fakeCall("E4", operation, Buffer.from(argument), {
      link: unrulyLink,
      deadline: performance.now() + patient,
      ...more,
    });
    return Buffer.from(await provider.handle(given)).toString();
  };
  return { provider, context, call, [Symbol.asyncDispose]: () => provider.stop() };
}

/** A host with an actor behind which `linkName` hangs and "calm" does not. */
async function startCalm(options: HostOptions = {}) {
  const host = await startHost({ logLevel: "silent", ...options, limits: { healthMs: 50, ...options.limits } });
  const actor = await host.startActor(edgeActor());
  await host.link(actor, await host.startProvider("builtin:keyvalue-memory", { linkName: "calm" }), {
    linkName: "calm",
  });
  const ask = async (operation: string, payload = "", linkName = "default") =>
    Buffer.from(await host.call(actor, "Call", askHost(contract, operation, payload, linkName))).toString();
  return { host, actor, ask, [Symbol.asyncDispose]: () => host.stop() };
}

const told = (host: Host, type: string) =>
  host.events.recent().flatMap((event) => (event.type === type ? [JSON.stringify(event.data)] : []));

test("a provider in a thread of its own answers as it would in this one", async () => {
  await using thread = await startUnruly({ settings: { a: 1 } });
  const { provider, context, call } = thread;
  assert.deepEqual([provider.contractId, provider.name, provider.key], [contract, "unruly", undefined]);
  assert.equal(await call("Echo", "hello"), "hello");
  assert.equal(await call("Later", "hello"), "hello");
  const big = "x".repeat(5_000_000);
  assert.equal(await call("Echo", big), big);
  const many = await Promise.all(Array.from({ length: 1_000 }, (_, at) => call(at % 2 ? "Echo" : "Later", `${at}`)));
  assert.deepEqual(
    many,
    Array.from({ length: 1_000 }, (_, at) => `${at}`),
  );
  assert.deepEqual(JSON.parse(await call("About")).settings, { a: 1 });
  await assert.rejects(call("Throw", "no luck"), /no luck/);
  await assert.rejects(call("Reject", "no luck"), /no luck/);
  await assert.rejects(call("Refuse"), { code: "WRONG_TYPE" });
  await assert.rejects(call("Nonsense"), { code: "REPLY_MALFORMED" });
  await assert.rejects(call("Never", "", { deadline: performance.now() + 50 }), { code: "DEADLINE_EXCEEDED" });
  assert.equal(await call("LeaveRejection"), "");
  assert.deepEqual(await provider.health(), { healthy: true, message: "fine" });
  await until(() => context.lines.some(({ text }) => text.includes("a line on stdout")), patient);
  await until(() => context.lines.some(({ text }) => text.includes("left alone")), patient);
});

test("one that ends its thread, by itself or by an error nobody caught, ends nothing else, and may come up again", async () => {
  const gone: LatticeError[] = [];
  await using thread = await startUnruly({ memoryMiB: 32, onGone: (error) => gone.push(error) });
  const { provider, call } = thread;
  for (const [operation, message] of [
    ["Exit", /exited with code 3/],
    ["Crash", /it failed: crashed/],
    ["Heap", /memory/i],
  ] as const) {
    const waiting = call("Never");
    waiting.catch(() => {});
    await assert.rejects(call(operation, "3"), { code: "PROVIDER_GONE", kind: "unavailable", message }, operation);
    await assert.rejects(waiting, { code: "PROVIDER_GONE" });
    await assert.rejects(call("Echo"), { code: "PROVIDER_GONE" });
    const { healthy, message: why } = await provider.health();
    assert.equal(healthy, false);
    assert.match(why ?? "", message);
    await provider.stop();
    await provider.start(fakeContext());
    await provider.putLink(unrulyLink);
    assert.equal(await call("Echo", "again"), "again");
  }
  assert.equal(gone.length, 3);
});

test("one that hangs is ended and named with what it hung in; one that is merely slow is not", async () => {
  const given = { link: fakeLink(), deadline: performance.now() + patient };
  for (const [operation, where] of [
    ["handle", "handle"],
    ["await", "something it does by itself or after an await"],
  ] as const) {
    const provider = await threadProvider(hanging, { silenceMs });
    await provider.start(fakeContext());
    await provider.putLink(given.link);
    await assert.rejects(async () => provider.handle(fakeCall("E4", operation, Buffer.alloc(0), given)), {
      code: "PROVIDER_GONE",
      message: new RegExp(`^hanging is gone: its thread answered no heartbeat for \\d+ ms, in ${where}$`),
    });
    await provider.stop();
  }
  const stuck = await threadProvider(hanging, { silenceMs, settings: { hang: "start" } });
  await assert.rejects(stuck.start(fakeContext()), { code: "PROVIDER_GONE", message: /in start$/ });
  await stuck.stop();
  const slow = await threadProvider(hanging);
  await slow.start(fakeContext());
  await slow.putLink(given.link);
  const working = Promise.resolve(slow.handle(fakeCall("E4", "busy", Buffer.from("done"), given)));
  assert.deepEqual(await slow.health(), { healthy: true }, "a thread at work is well until its silence is too long");
  assert.equal(Buffer.from(await working).toString(), "done");
  await slow.stop();
});

for (const engines of [0, 1]) {
  test(`a provider that hangs holds up neither its host nor the others, and comes back with its links (engines ${engines})`, async () => {
    await using world = await startCalm({ engines });
    const { host, actor, ask } = world;
    const thread = await threadProvider(hanging, { silenceMs });
    const handle = await host.startProvider(thread);
    await host.link(actor, handle);
    assert.equal(await ask("echo", "hello"), "hello");
    const stuck = ask("handle");
    const beside = ask("never");
    // The host's own thread goes on.
    let turns = 0;
    const counting = setInterval(() => turns++, 1);
    assert.doesNotMatch(await ask("Get", "", "calm"), /is gone|is down/);
    assert.match(await stuck, /hanging is gone: its thread answered no heartbeat for \d+ ms, in handle/);
    assert.match(await beside, /hanging is gone/);
    clearInterval(counting);
    assert.ok(turns > 5, `${turns} turns while it hung`);
    await until(async () => (await ask("echo", "hello")) === "hello", patient);
    const { provider } = await describeOf(host, handle.id);
    assert.equal(provider.restarts, 1);
    assert.ok(provider.faults >= 2, "the calls inside it are counted");
    assert.match(told(host, "provider_down").join(), /no heartbeat for \d+ ms, in handle/);
    assert.equal(told(host, "provider_restarted").length, 1);
  });
}

test("one that hangs in its links or its health is contained too", async () => {
  await using world = await startCalm();
  const { host, actor, ask } = world;
  const handle = await host.startProvider(await threadProvider(hanging, { silenceMs, settings: { hang: "health" } }));
  await host.link(actor, handle);
  await until(() => told(host, "provider_restarted").length > 0, patient);
  await host.stopProvider(handle);
  const linked = await host.startProvider(await threadProvider(hanging, { silenceMs }));
  await assert.rejects(host.link(actor, linked, { values: { hang: "putLink" } }), {
    code: "PROVIDER_GONE",
    message: /in putLink/,
  });
  await until(async () => {
    await host.link(actor, linked).catch(() => {});
    return (await ask("echo", "hello")) === "hello";
  }, patient);
  assert.equal(await ask("echo", "hello"), "hello");
});
