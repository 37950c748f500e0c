import assert from "node:assert/strict";
import { test } from "node:test";
import { captured } from "../support/captured-messages.ts";
import {
  ackShape,
  actorBidShape,
  actorClaimsRow,
  eventProblems,
  eventShapes,
  hostRecordShape,
  inventoryShape,
  linksShape,
  otpHeartbeatShape,
  providerBidShape,
  providerClaimsRow,
  shapeProblems,
} from "../support/wire-shapes.ts";
import type { Shape } from "../support/wire-shapes.ts";

const { host: N, cluster: C, echo: ME, kvcounter: MK, httpServer: VH, redis: VR } = captured;
const AE = `A${ME.slice(1)}`;
const labels = { "hostcore.arch": "x86_64", zone: "a" };
const annotations = { "wasmcloud.dev/managed-by": "capture" };

/** Answers and event data of a real 0.82 host. Source: captures of 0.82, sections 2 to 5. */
const record = {
  cluster_issuers: C,
  ctl_host: "nats://127.0.0.1:24222",
  friendly_name: "young-river-9287",
  id: N,
  issuer: C,
  js_domain: null,
  labels,
  lattice: "default",
  lattice_prefix: "default",
  rpc_host: "nats://127.0.0.1:24222",
  uptime_human: "1m 7s",
  uptime_seconds: 67,
  version: "0.82.0",
};
const inventory = {
  actors: [
    {
      id: ME,
      image_ref: "R/echo:1",
      instances: [{ annotations, image_ref: "R/echo:1", instance_id: "01a1", revision: 4, max_instances: 5 }],
      name: "Echo",
    },
  ],
  providers: [
    {
      annotations: {},
      id: VR,
      image_ref: "R/kvredistee:1",
      contract_id: "wasmcloud:keyvalue",
      link_name: "default",
      name: "kvredistee",
      revision: 1,
    },
  ],
  host_id: N,
  issuer: C,
  friendly_name: "young-river-9287",
  labels,
  version: "0.82.0",
  uptime_human: "1m 8s",
  uptime_seconds: 68,
};
const claims = {
  call_alias: null,
  caps: ["wasmcloud:httpserver"],
  expires_human: "TODO",
  issuer: AE,
  name: "Echo",
  not_before_human: "TODO",
  revision: 4,
  tags: [],
  version: "0.3.4",
};
const placed = { annotations, host_id: N, image_ref: "R/echo:1", public_key: ME };
const provider = { contract_id: "wasmcloud:httpserver", link_name: "default", public_key: VH };
const link = {
  actor_id: MK,
  contract_id: "wasmcloud:keyvalue",
  link_name: "default",
  provider_id: VR,
  values: { URL: "redis://127.0.0.1:26379" },
};
const row = { iss: AE, issuer: AE, name: "x", rev: "4", revision: "4", version: "0.3.4" };

const answers: readonly (readonly [Shape, unknown])[] = [
  [hostRecordShape, record],
  [inventoryShape, inventory],
  [inventoryShape, { ...inventory, actors: [], providers: [] }],
  [actorClaimsRow, { ...row, sub: ME, subject: ME, call_alias: "", capabilities: "a:b", caps: "a:b", tags: "" }],
  [providerClaimsRow, { ...row, sub: VR, subject: VR, contract_id: "wasmcloud:keyvalue", config_schema: "" }],
  [linksShape, { links: [link] }],
  [ackShape, { accepted: true, error: "" }],
  [actorBidShape, { actor_ref: "R/echo:1", host_id: N, constraints: { zone: "z" } }],
  [providerBidShape, { host_id: N, link_name: "default", provider_ref: "R/none:1", constraints: {} }],
  [otpHeartbeatShape, { ...record, actors: { [ME]: 3 }, providers: [provider] }],
];

const events: Readonly<Record<string, object>> = {
  host_started: { friendly_name: "young-river-9287", labels, uptime_seconds: 0, version: "0.82.0" },
  host_heartbeat: inventory,
  actors_started: { ...placed, claims, count: 3 },
  actor_scaled: { ...placed, claims, max_instances: 3 },
  actors_stopped: { ...placed, count: 2, remaining: 2 },
  provider_started: {
    ...provider,
    annotations: { x: "y" },
    claims: { ...claims, tags: null },
    host_id: N,
    image_ref: "R/h:1",
    instance_id: "01a1",
  },
  provider_start_failed: { error: "failed", link_name: "default", provider_ref: "R/absent:1" },
  health_check_passed: provider,
  provider_stopped: { ...provider, annotations: {}, host_id: N, instance_id: "01a1", reason: "stop" },
  linkdef_set: { ...link, id: "124A" },
  config_set: { entity_id: MK, key: "colour" },
  actors_start_failed: { annotations: {}, error: "e", host_id: N, image_ref: "R/echo:2", public_key: ME },
  actor_scale_failed: { annotations: {}, error: "e", host_id: N, image_ref: "R/e:2", public_key: ME, max_instances: 5 },
  host_stopped: { labels },
};

function message(name: string, data: object, changes: object = {}): Uint8Array {
  return Buffer.from(
    JSON.stringify({
      specversion: "1.0",
      id: "01a1fb8a-63c9-208d-d18b-28c55c5b5e66",
      type: `com.wasmcloud.lattice.${name}`,
      source: N,
      datacontenttype: "application/json",
      time: "2026-11-21T00:38:33.161073950Z",
      data,
      ...changes,
    }),
  );
}

test("answers and events of a real 0.82 host have the shapes that clients read", () => {
  for (const [shape, answer] of answers) assert.deepEqual(shapeProblems(answer, shape), []);
  for (const [name, data] of Object.entries(events)) assert.deepEqual(eventProblems(message(name, data)), []);
});

test("each member that is missing or of another type is told by its path", () => {
  for (const [name, data] of Object.entries(events))
    for (const member of Object.keys(eventShapes[name]!)) {
      const { [member]: _gone, ...without } = data as Record<string, unknown>;
      assert.deepEqual(eventProblems(message(name, without)), [`${name}.${member} is missing`]);
      const wrong = eventProblems(message(name, { ...data, [member]: 0.5 }));
      assert.ok(wrong.length > 0 && wrong[0]!.startsWith(`${name}.${member} is no`), `${name}.${member}: ${wrong[0]}`);
    }
});

test("the envelope is checked too; events of our own are passed over", () => {
  const data = { labels };
  assert.deepEqual(eventProblems(message("host_stopped", data, { source: "n/a" })), ["source is no host"]);
  assert.deepEqual(eventProblems(message("host_stopped", data, { time: "now" })), ["time is not RFC 3339"]);
  assert.deepEqual(eventProblems(message("host_stopped", data, { id: 1 })), ["it.id is no text"]);
  assert.deepEqual(eventProblems(message("no_such", data)), ["event no_such is unknown"]);
  assert.deepEqual(eventProblems(message("x", data, { type: "com.wasmlattice.lattice.engine_lost" })), []);
  assert.deepEqual(eventProblems(Buffer.from("{")), ["it is no JSON"]);
});
