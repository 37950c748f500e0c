import assert from "node:assert/strict";
import { test } from "node:test";
import type { ProviderSpec } from "../../host/engine-messages.ts";
import { FleetTables } from "../../host/fleet-tables.ts";
import { FormerKeys } from "../../host/former-keys.ts";

test("each former key means the provider of now, through several swaps and back", () => {
  const keys = new FormerKeys();
  const now = (key: string, linkName = "default") => keys.now({ key, linkName });
  const swap = (key: string, to: string) => keys.renamed({ key, linkName: "default" }, to);
  swap("VA", "VB");
  swap("VB", "VC");
  assert.deepEqual([now("VA"), now("VB"), now("VC")], ["VC", "VC", "VC"]);
  assert.equal(now("VA", "other"), "VA", "another link name is another provider");
  swap("VC", "VA");
  assert.deepEqual([now("VA"), now("VB"), now("VC")], ["VA", "VA", "VA"]);
  keys.forget({ key: "VB", linkName: "default" });
  assert.equal(now("VB"), "VB", "it runs here again");
});

test("a thousand former keys are remembered, the oldest is forgotten first", () => {
  const keys = new FormerKeys();
  for (let at = 0; at < 1_010; at++) keys.renamed({ key: `V${at}`, linkName: "default" }, `V${at + 1}`);
  assert.equal(keys.all().length, 1_000);
  assert.deepEqual(
    [keys.now({ key: "V0", linkName: "default" }), keys.now({ key: "V500", linkName: "default" })],
    ["V0", "V1010"],
  );
});

test("an engine that comes later is told of them after the providers", () => {
  const tables = new FleetTables();
  const spec = (id: string, key: string): ProviderSpec => ({
    id,
    key,
    name: id,
    contractId: "wasmcloud:keyvalue",
    linkName: "default",
    config: {},
    source: { kind: "object" },
    places: [0],
  });
  const told = () =>
    [...tables.everything()].flatMap((change) => (change.type === "put-former-keys" ? change.keys : []));
  tables.remember({ type: "put-provider", spec: spec("slot.1", "VA") });
  tables.remember({ type: "put-provider", spec: spec("slot.2", "VB"), staged: true });
  assert.deepEqual(told(), []);
  tables.remember({ type: "swap-provider", from: "slot.1", to: "slot.2", links: [] });
  assert.deepEqual(told(), [{ key: "VA", linkName: "default", now: "VB" }]);
  assert.deepEqual(
    [...tables.everything()].map(({ type }) => type),
    ["put-provider", "put-provider", "put-former-keys"],
  );
  tables.remember({ type: "swap-provider", from: "slot.2", to: "slot.1", links: [] });
  assert.deepEqual(told(), [{ key: "VB", linkName: "default", now: "VA" }]);
});
