import assert from "node:assert/strict";
import { test } from "node:test";
import { ActorModule, httpServer, memoryKeyvalue, startHost } from "../../index.ts";
import { example } from "../support/examples.ts";

test("the example of the README: a counter behind HTTP with a store, in eight lines", async () => {
  await using host = await startHost();
  const counter = await host.startActor(await ActorModule.fromFile(example("kvcounter-rust")));
  const web = await host.startProvider(httpServer());
  const store = await host.startProvider(memoryKeyvalue());
  const { urls } = await host.link(counter, web, { values: { address: "127.0.0.1:0" } });
  await host.link(counter, store);

  const first = await fetch(`${urls[0]}/hello`);
  assert.deepEqual([first.status, await first.json()], [200, { counter: 1, path: "/hello" }]);
  assert.deepEqual(await (await fetch(`${urls[0]}/hello`)).json(), { counter: 2, path: "/hello" });
  assert.deepEqual(await (await fetch(`${urls[0]}/other`)).json(), { counter: 1, path: "/other" });

  const payload = Buffer.from(
    "85a66d6574686f64a3474554a470617468a22f61ab7175657279537472696e67a0a668656164657280a4626f6479c400",
    "hex",
  );
  const reply = await host.call(counter, "HttpServer.HandleRequest", payload);
  assert.match(Buffer.from(reply).toString("latin1"), /"counter":1/);
});

test("taking a link back stops what it allowed, and only that", async () => {
  await using host = await startHost();
  const counter = await host.startActor(await ActorModule.fromFile(example("kvcounter-rust")));
  const web = await host.startProvider(httpServer());
  const store = await host.startProvider(memoryKeyvalue());
  const { urls } = await host.link(counter, web, { values: { address: "127.0.0.1:0" } });
  assert.equal((await fetch(urls[0]!)).status, 403);
  await host.link(counter, store);
  assert.equal((await fetch(urls[0]!)).status, 200);
  await host.unlink(counter, "wasmcloud:keyvalue");
  const refused = await fetch(urls[0]!, { headers: { accept: "application/json" } });
  assert.equal(refused.status, 403);
  assert.equal(((await refused.json()) as { error: { code: string } }).error.code, "LINK_ABSENT");
});
