import assert from "node:assert/strict";
import { test } from "node:test";
import {
  decodeHealth,
  decodeLinkMessage,
  encodeLinkMessage,
  encodeShutdown,
  healthRequest,
  linkEventData,
  linkId,
  pack,
  providerStartLine,
  unpack,
} from "../../../lattice/index.ts";
import { captured } from "../../support/captured-messages.ts";
import { eventShapes, shapeProblems } from "../../support/wire-shapes.ts";

const link = {
  actor: captured.kvcounter,
  provider: captured.redis,
  contractId: "wasmcloud:keyvalue",
  linkName: "default",
  values: { URL: "redis://127.0.0.1:26379" },
};

test("the link message of a 0.82 host is read and written byte for byte", () => {
  assert.deepEqual(decodeLinkMessage(captured.linkPut), link);
  assert.deepEqual(Buffer.from(encodeLinkMessage(link)), Buffer.from(captured.linkPut));
});

test("a link message that lacks a member or has a wrong one is refused by its name", () => {
  const members = unpack(captured.linkPut, "a link") as Record<string, string>;
  assert.throws(() => decodeLinkMessage(pack({ ...members, actor_id: null })), /actor_id must be/);
  assert.throws(() => decodeLinkMessage(pack({ ...members, values: { a: 1 } })), /values must be an object of texts/);
  assert.throws(() => decodeLinkMessage(pack([1])), { code: "REQUEST_INVALID" });
  assert.throws(() => decodeLinkMessage(Buffer.of(0xc1)), { code: "PAYLOAD_MALFORMED" });
});

test("health replies of providers are read, those that say nothing are refused", () => {
  assert.deepEqual(decodeHealth(Buffer.from("81a76865616c746879c3", "hex")), { healthy: true, message: undefined });
  assert.deepEqual(decodeHealth(pack({ healthy: false, message: "no server", later: 1 })), {
    healthy: false,
    message: "no server",
  });
  assert.throws(() => decodeHealth(pack({})), /healthy must be true or false/);
  assert.deepEqual(unpack(healthRequest, "it"), { placeholder: true });
});

test("a shutdown names the host", () => {
  assert.equal(Buffer.from(encodeShutdown(captured.host)).toString(), `{"host_id":"${captured.host}"}`);
});

test("events of links keep the names of values and not what they say, unless the old form is wanted", () => {
  const id = linkId(link);
  assert.equal(id, "124AD321267D17B4C40AC52B13C4D8EA9D21D69C7F1EB17E136E067D0F93EF71");
  const data = linkEventData(id, link);
  assert.deepEqual(shapeProblems(data, eventShapes["linkdef_set"]!), []);
  assert.deepEqual(data.values, { URL: "[redacted]" });
  assert.ok(!JSON.stringify(data).includes("redis://"));
  assert.deepEqual(linkEventData(id, link, { clear: true }), {
    actor_id: captured.kvcounter,
    contract_id: "wasmcloud:keyvalue",
    id,
    link_name: "default",
    provider_id: captured.redis,
    values: link.values,
  });
});

test("the start line of a provider carries the members of 0.82, left out where they are absent", () => {
  const line = providerStartLine({
    host: captured.host,
    lattice: "default",
    linkName: "default",
    provider: captured.httpServer,
    instanceId: "01a1fb8c-fe4b-c276-7384-e6c3e39769e8",
    rpcUrl: "nats://127.0.0.1:24222",
    userJwt: "",
    userSeed: "",
    invocationSeed: captured.clusterSeed,
    clusterIssuers: [captured.cluster],
    links: [{ ...link, provider: captured.httpServer }],
    configuration: '{"a":1}',
    rpcTimeoutMs: 2_000,
    structuredLogging: false,
  });
  assert.ok(line.endsWith("\r\n"));
  const data = JSON.parse(Buffer.from(line.trim(), "base64").toString()) as Record<string, unknown>;
  const { lattice_rpc_tls: tls, ...of82 } = data;
  assert.equal(tls, 0);
  assert.deepEqual(of82, {
    host_id: captured.host,
    lattice_rpc_prefix: "default",
    link_name: "default",
    lattice_rpc_user_jwt: "",
    lattice_rpc_user_seed: "",
    lattice_rpc_url: "nats://127.0.0.1:24222",
    provider_key: captured.httpServer,
    invocation_seed: captured.clusterSeed,
    env_values: {},
    instance_id: "01a1fb8c-fe4b-c276-7384-e6c3e39769e8",
    link_definitions: [
      {
        actor_id: captured.kvcounter,
        provider_id: captured.httpServer,
        link_name: "default",
        contract_id: "wasmcloud:keyvalue",
        values: link.values,
      },
    ],
    cluster_issuers: [captured.cluster],
    config_json: '{"a":1}',
    default_rpc_timeout_ms: 2000,
    structured_logging: false,
    otel_config: { traces_exporter: null, exporter_otlp_endpoint: null },
  });
});
