import assert from "node:assert/strict";
import { test } from "node:test";
import { startHost } from "../../host/index.ts";
import type { ProviderContext } from "../../capabilities/index.ts";
import { KeyPair, memoryConnection, MemoryServer } from "../../lattice/index.ts";
import { calling, obedient } from "../support/actors.ts";
import { askHost } from "../support/edge.ts";
import { ask, codeOf, start } from "../support/journey.ts";
import { until } from "../support/until.ts";

interface Question {
  readonly requestId: string;
  readonly action: string;
  readonly source: Record<string, unknown>;
  readonly target: Record<string, unknown>;
  readonly host: Record<string, unknown>;
}

/** A policy service that says what the test wants, and keeps what it was asked. */
function service(permitted: (question: Question) => boolean) {
  const server = new MemoryServer();
  const { bus } = memoryConnection(server);
  const asked: Question[] = [];
  bus.subscribe("policy.ask", (message) => {
    const question = JSON.parse(Buffer.from(message.payload).toString()) as Question;
    asked.push(question);
    const { requestId } = question;
    message.respond(Buffer.from(JSON.stringify({ requestId, permitted: permitted(question), message: "as told" })));
  });
  const policyService = { topic: "policy.ask", changesTopic: "policy.changes", timeoutMs: 20_000 };
  const host = (more: object = {}) =>
    startHost({ connection: memoryConnection(server), policyService, logLevel: "error", ...more });
  const change = (requestId: string, allow: boolean) =>
    bus.publish("policy.changes", Buffer.from(JSON.stringify({ requestId, permitted: allow, message: "changed" })));
  return { asked, host, change };
}

for (const [where, engines] of [
  ["in the caller's thread", 0],
  ["in engines of their own", 2],
] as const)
  void test(`the policy service decides what starts and calls ${where}, is asked once for the same, and may change its mind`, async () => {
    const policy = service(({ action }) => action !== "start_provider");
    await using host = await policy.host({ engines });
    assert.equal(await codeOf(host.startProvider("builtin:keyvalue-memory")), "POLICY_REFUSED");
    const actor = await start(host, obedient({ name: "Echo", capabilities: ["wasmcloud:keyvalue"] }));
    const other = await start(host, obedient({ name: "Other", capabilities: ["wasmcloud:keyvalue"] }));
    const [, question] = policy.asked;
    assert.equal(question!.action, "start_actor");
    assert.equal(question!.target["publicKey"], actor.id);
    assert.deepEqual(question!.source["capabilities"], ["wasmcloud:keyvalue"]);
    assert.equal(question!.host["publicKey"], host.id);
    assert.equal(question!.host["latticeId"], "default");

    assert.equal(await ask(host, actor, "Echo", "once"), "once");
    assert.equal(await ask(host, actor, "Echo", "twice"), "twice");
    const calls = policy.asked.filter(({ action }) => action === "perform_invocation");
    assert.equal(calls.length, 1, "the second call was decided by what was kept");
    policy.change(calls[0]!.requestId, false);
    await until(async () => (await codeOf(ask(host, actor, "Echo", "now"))) === "POLICY_REFUSED");
    policy.change(calls[0]!.requestId, true);
    await until(async () => (await codeOf(ask(host, actor, "Echo", "again"))) === undefined);

    // From actor to actor inside an engine, too.
    const reach = () => ask(host, other, "Call", calling(actor.id, "Echo", "hello"));
    assert.equal(await reach(), "hello");
    const asked = policy.asked.find(
      ({ action, source }) => action === "perform_invocation" && source["publicKey"] === other.id,
    );
    assert.ok(asked);
    policy.change(asked.requestId, false);
    await until(async () => /policy|changed/i.test(await reach()));
  });

for (const engines of [0, 2])
  void test(`the policy service tells apart two links of one contract (${engines} engines)`, async () => {
    const policy = service(({ action, target }) => action !== "perform_invocation" || target["linkName"] !== "vault");
    await using host = await policy.host({ engines });
    const actor = await start(host, obedient({ name: "Echo", capabilities: ["wasmcloud:keyvalue"] }));
    const keys = new Map<string, string>();
    for (const linkName of ["default", "vault"]) {
      const store = await host.startProvider("builtin:keyvalue-memory", { linkName });
      await host.link(actor, store, { linkName });
      keys.set(linkName, store.id);
    }
    const get = (link: string) => ask(host, actor, "Call", askHost("wasmcloud:keyvalue", "Get", "", link));
    assert.doesNotMatch(await get("default"), /policy/);
    assert.match(await get("vault"), /policy refuses Get on wasmcloud:keyvalue: as told/);
    assert.doesNotMatch(await get("default"), /policy/);
    const asked = policy.asked.filter(
      ({ action, target }) => action === "perform_invocation" && "contractId" in target,
    );
    assert.deepEqual(
      asked.map(({ target: { publicKey, contractId, linkName } }) => [publicKey, contractId, linkName]),
      ["default", "vault"].map((linkName) => [keys.get(linkName), "wasmcloud:keyvalue", linkName]),
    );
  });

void test("the policy service hears as which provider, under which link, an actor is called", async () => {
  const policy = service(() => true);
  await using host = await policy.host();
  const actor = await start(host, obedient({ name: "Echo", capabilities: ["demo:caller"] }));
  const { publicKey: key } = KeyPair.generate("service");
  const calls: (() => Promise<Uint8Array>)[] = [];
  let context: ProviderContext | undefined;
  const provider = await host.startProvider(
    {
      contractId: "demo:caller",
      name: "caller",
      key,
      start: (given) => void (context = given),
      putLink: (link) => void calls.push(() => context!.invoke(link, "Echo", Buffer.from("hello"))),
      handle: () => new Uint8Array(),
    },
    { linkName: "left" },
  );
  await host.link(actor, provider, { linkName: "left" });
  assert.equal(Buffer.from(await calls[0]!()).toString(), "hello");
  const { source, target } = policy.asked.find(({ action }) => action === "perform_invocation")!;
  assert.deepEqual([source["publicKey"], source["contractId"], source["linkName"]], [key, "demo:caller", "left"]);
  assert.deepEqual([target["publicKey"], target["contractId"]], [actor.id, undefined]);
});

void test("a policy service that does not answer refuses", async () => {
  const server = new MemoryServer();
  const policyService = { topic: "policy.nobody", timeoutMs: 50 };
  await using host = await startHost({ connection: memoryConnection(server), policyService, logLevel: "error" });
  assert.equal(await codeOf(start(host, obedient({ name: "Echo" }))), "POLICY_REFUSED");
});

void test("the host's own policy is asked first and cannot be loosened", async () => {
  const policy = service(() => true);
  await using host = await policy.host({ policy: () => ({ deny: "mine" }) });
  assert.equal(await codeOf(start(host, obedient({ name: "Echo" }))), "POLICY_REFUSED");
  assert.equal(policy.asked.length, 0);
});

void test("the config service of a lattice says what a new host starts", async () => {
  const server = new MemoryServer();
  const { bus } = memoryConnection(server);
  let labels: unknown;
  bus.subscribe("wasmbus.cfg.default.req", (message) => {
    labels = (JSON.parse(Buffer.from(message.payload).toString()) as { labels: unknown }).labels;
    const autoStartProviders = [{ imageReference: "builtin:keyvalue-memory", linkName: "auto" }];
    message.respond(Buffer.from(JSON.stringify({ registryCredentials: {}, autoStartActors: [], autoStartProviders })));
  });
  const connection = memoryConnection(server);
  await using host = await startHost({ connection, configService: true, labels: { zone: "a" }, logLevel: "error" });
  await until(() => host.wanted.providers.size === 1);
  assert.equal([...host.wanted.providers.values()][0]!.spec.linkName, "auto");
  assert.equal((labels as Record<string, string>)["zone"], "a");
});
