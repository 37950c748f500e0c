import assert from "node:assert/strict";
import { test } from "node:test";
import { findVerb, startHost, verbsOf } from "../../host/index.ts";
import { edgeActor } from "../support/edge.ts";

const signal = new AbortController().signal;

test("what a link was given stays between its provider and who put it", async () => {
  await using host = await startHost();
  const verbs = verbsOf(host);
  const ask = async (name: string, params: object = {}) =>
    JSON.stringify(await findVerb(verbs, name).run(params, { signal }));
  const actor = await host.startActor(edgeActor(), { env: { PIN: "4711-pin", DATABASE_URL: "pg://me:4711-url@db/x" } });
  const provider = await host.startProvider({
    contractId: "wasmcloud:keyvalue",
    name: "store",
    handle: () => new Uint8Array(),
  });
  const values = { address: "127.0.0.1:6379", deadline: "2s", dsn: "4711-dsn", api_key: "4711-key" };
  const put = await ask("link.put", { actor: actor.id, provider: provider.instance, values });
  const shown = await Promise.all([
    ask("get.links"),
    ask("link.query"),
    ask("describe", { target: actor.id }),
    ask("describe", { target: "store" }),
  ]);
  for (const text of [put, ...shown]) {
    assert.match(text, /"address":"127\.0\.0\.1:6379"/);
    assert.match(text, /"deadline":"2s"/);
    assert.match(text, /"PIN":"\[redacted\]"/);
  }
  const rest = [ask("get.inventory"), ask("get.events"), ask("explain", { target: actor.id }), ask("health")];
  for (const text of [put, ...shown, ...(await Promise.all(rest))]) assert.doesNotMatch(text, /4711/);
});

test("a module that is neither named nor given is missed under the verb that was asked", async () => {
  await using host = await startHost();
  const verbs = verbsOf(host);
  const actor = await host.startActor(edgeActor());
  for (const [name, params] of [
    ["start.actor", {}],
    ["update", { target: actor.id }],
  ] as const) {
    await assert.rejects(findVerb(verbs, name).run(params, { signal }), {
      code: "REQUEST_INVALID",
      message: new RegExp(`^bad request to ${name}:`),
    });
  }
});
