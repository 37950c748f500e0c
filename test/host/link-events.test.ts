import assert from "node:assert/strict";
import { test } from "node:test";
import { memoryKeyvalue } from "../../capabilities/index.ts";
import { startHost } from "../../host/index.ts";
import { edgeActor } from "../support/edge.ts";
import { eventShapes, shapeProblems } from "../support/wire-shapes.ts";

test("events of links have the members that 0.x clients read, and never what a value says", async () => {
  await using host = await startHost();
  const actor = await host.startActor(edgeActor());
  const store = await host.startProvider(memoryKeyvalue());
  await host.link(actor, store, { values: { prefix: "hush-hush" } });
  await host.unlink(actor, "wasmcloud:keyvalue");
  const told = host.events.recent().filter(({ type }) => type.startsWith("linkdef_"));
  assert.deepEqual(
    told.map(({ type }) => type),
    ["linkdef_set", "linkdef_deleted"],
  );
  for (const { type, data } of told) {
    // The built-in store's key is short; keys of providers elsewhere are whole ones.
    const problems = shapeProblems(data, { ...eventShapes[type]!, provider_id: "text" });
    assert.deepEqual(problems, []);
    assert.deepEqual(data["values"], { prefix: "[redacted]" });
    assert.ok(!JSON.stringify(data).includes("hush"));
  }
});
