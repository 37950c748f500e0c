import assert from "node:assert/strict";
import { memoryKeyvalue } from "../../capabilities/index.ts";
import { ControlLattice } from "../support/control-client.ts";
import { edgeActor } from "../support/edge.ts";
import { natsTest } from "../support/nats-server.ts";
import { until } from "../support/until.ts";
import {
  ackShape,
  actorBidShape,
  actorClaimsRow,
  eventProblems,
  hostRecordShape,
  inventoryShape,
  linksShape,
  providerBidShape,
  shapeProblems,
} from "../support/wire-shapes.ts";

natsTest("all that a host answers and tells has the members that clients of the 0.x years read", async () => {
  await using lattice = await ControlLattice.start();
  const told: { subject: string; payload: Uint8Array }[] = [];
  lattice.client.bus.subscribe("wasmbus.evt.default", (message) => void told.push(message));
  const host = await lattice.host({ heartbeatMs: 1_000 });
  const actor = await host.startActor(edgeActor());
  const store = await host.startProvider(memoryKeyvalue());
  await host.link(actor, store, { values: { prefix: "x" } });
  const wanted = [
    [hostRecordShape, (await lattice.all("ping.hosts"))[0]],
    [inventoryShape, await lattice.ask(`get.${host.id}.inv`)],
    [linksShape, await lattice.ask("get.links")],
    [ackShape, await lattice.ask(`labels.${host.id}.put`, { key: "room", value: "1" })],
    [actorBidShape, (await lattice.all("auction.actor", { actor_ref: "R/echo:1", constraints: {} }))[0]],
    [
      providerBidShape,
      (
        await lattice.all("auction.provider", {
          provider_ref: "builtin:keyvalue-memory",
          link_name: "other",
          constraints: {},
        })
      )[0],
    ],
  ] as const;
  const own = await until(async () => {
    const claims = (await lattice.ask("get.claims"))["claims"] as Record<string, unknown>[];
    return claims.find(({ sub }) => sub === actor.id);
  });
  const problems = [...wanted, [actorClaimsRow, own] as const].flatMap(([shape, answer]) =>
    shapeProblems(answer, shape),
  );
  await host.scale(actor, 3);
  await host.unlink(actor, "wasmcloud:keyvalue");
  await host.stopProvider(store);
  await host.stopActor(actor);
  const names = () => told.map(({ payload }) => (JSON.parse(Buffer.from(payload).toString()) as { type: string }).type);
  await until(() => ["actor_stopped", "host_heartbeat"].every((name) => names().some((type) => type.endsWith(name))));
  for (const { payload } of told) problems.push(...eventProblems(payload));
  assert.deepEqual([...new Set(problems)], []);
});
