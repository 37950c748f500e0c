import assert from "node:assert/strict";
import { test } from "node:test";
import { memoryKeyvalue } from "../../capabilities/index.ts";
import { startHost } from "../../host/index.ts";
import { edgeActor } from "../support/edge.ts";
import { ControlLattice } from "../support/control-client.ts";
import { natsTest } from "../support/nats-server.ts";
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

natsTest(
  "events and lists of the old form, by setting, tell values as they are, and of secrets only where they lie",
  async () => {
    await using lattice = await ControlLattice.start();
    process.env.LATTICE_SECRET_LINK_EVENTS = "never to be told";
    const values = { prefix: "hush-${secret:env:LATTICE_SECRET_LINK_EVENTS}" };
    for (const [clearLinkValues, told] of [
      [true, values],
      [false, { prefix: "[redacted]" }],
    ] as const) {
      const host = await lattice.host({ clearLinkValues });
      const actor = await host.startActor(edgeActor());
      const store = await host.startProvider("builtin:keyvalue-memory");
      await host.link(actor, store, { values });
      const event = await lattice.event("linkdef_set", ({ source }) => source === host.id);
      assert.deepEqual(event.data["values"], told);
      if (clearLinkValues) {
        const { links } = (await lattice.ask("get.links")) as { links: { values: object }[] };
        assert.deepEqual(
          links.map((link) => link.values),
          [told],
        );
      }
      await host.unlink(actor, "wasmcloud:keyvalue");
      const gone = await lattice.event("linkdef_deleted", ({ source }) => source === host.id);
      assert.deepEqual(gone.data["values"], told);
      await host.stop();
      lattice.hosts.splice(lattice.hosts.indexOf(host), 1);
    }
  },
);
