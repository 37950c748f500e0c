import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "../../support/fast-check.ts";
import {
  encodeConfigQuestion,
  encodePolicyQuestion,
  isLatticeError,
  JsonFields,
  PolicyAnswers,
  readConfigAnswer,
  readPolicyAnswer,
} from "../../../lattice/index.ts";
import type { PolicyQuestion } from "../../../lattice/index.ts";
import { captured } from "../../support/captured-messages.ts";

const question: PolicyQuestion = {
  requestId: "r1",
  source: {
    publicKey: captured.echo,
    capabilities: ["wasmcloud:keyvalue"],
    issuer: "A",
    issuedAt: 100,
    expiresAt: 200,
  },
  target: { publicKey: captured.redis, issuer: "A", contractId: "wasmcloud:keyvalue", linkName: "default" },
  host: {
    publicKey: captured.host,
    issuer: captured.cluster,
    lattice: "shop",
    labels: { zone: "a" },
    clusterIssuers: [captured.cluster],
  },
  action: "perform_invocation",
};
const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));

test("a policy question has the members of the protocol", () => {
  assert.deepEqual(JSON.parse(Buffer.from(encodePolicyQuestion(question, 150)).toString()), {
    requestId: "r1",
    source: {
      publicKey: captured.echo,
      capabilities: ["wasmcloud:keyvalue"],
      issuer: "A",
      issuedOn: "100",
      expiresAt: 200,
      expired: false,
    },
    target: { publicKey: captured.redis, issuer: "A", contractId: "wasmcloud:keyvalue", linkName: "default" },
    host: {
      publicKey: captured.host,
      issuer: captured.cluster,
      latticeId: "shop",
      labels: { zone: "a" },
      clusterIssuers: [captured.cluster],
    },
    action: "perform_invocation",
  });
  const later = JSON.parse(Buffer.from(encodePolicyQuestion(question, 200)).toString()) as { source: unknown };
  assert.equal((later.source as { expired: boolean }).expired, true);
});

test("decisions are kept by source, target and action, and a change replaces one", () => {
  const decisions = new PolicyAnswers();
  assert.equal(decisions.get(question), undefined);
  decisions.keep(question, { requestId: "other", permitted: true, message: "" });
  assert.equal(decisions.get(question), undefined, "the answer to another request counts for nothing");
  decisions.keep(question, readPolicyAnswer(json({ requestId: "r1", permitted: true, message: null })));
  assert.deepEqual(decisions.get({ ...question }), { requestId: "r1", permitted: true, message: "" });
  assert.equal(decisions.get({ ...question, action: "start_actor" }), undefined);
  const change = readPolicyAnswer(json({ requestId: "r1", permitted: false, message: "revoked" }));
  assert.equal(decisions.change(change), true);
  assert.equal(decisions.get(question)?.permitted, false);
  assert.equal(decisions.change({ ...change, requestId: "nobody" }), false);
});

test("decisions are bounded, and a forgotten one is changed no more", () => {
  const decisions = new PolicyAnswers(2);
  const ask = (id: string): PolicyQuestion => ({
    ...question,
    requestId: id,
    target: { ...question.target, publicKey: id },
  });
  for (const id of ["a", "b", "c"]) decisions.keep(ask(id), { requestId: id, permitted: true, message: "" });
  assert.equal(decisions.get(ask("a")), undefined);
  assert.equal(decisions.change({ requestId: "a", permitted: false, message: "" }), false);
  assert.ok(decisions.get(ask("b")) && decisions.get(ask("c")));
});

test("a decision that does not say whether it permits is no decision", () => {
  for (const bad of [{}, { requestId: "r", permitted: "yes" }, { permitted: true }, [], 3])
    assert.throws(() => readPolicyAnswer(json(bad)), { code: "REQUEST_INVALID" });
});

test("the configuration service's answer is read, with what it leaves out", () => {
  assert.deepEqual(JSON.parse(Buffer.from(encodeConfigQuestion({ zone: "a" })).toString()), { labels: { zone: "a" } });
  const answer = readConfigAnswer(
    json({
      registryCredentials: { "reg.example": { registryType: "oci", username: "u", password: "p" } },
      autoStartActors: ["reg.example/echo:1"],
      autoStartProviders: [{ imageReference: "reg.example/http:1", linkName: "x" }, { imageReference: "builtin:kv" }],
    }),
  );
  assert.deepEqual(Object.fromEntries(answer.registries), { "reg.example": { username: "u", password: "p" } });
  assert.deepEqual(answer.actors, ["reg.example/echo:1"]);
  assert.deepEqual(answer.providers, [
    { reference: "reg.example/http:1", linkName: "x" },
    { reference: "builtin:kv", linkName: "default" },
  ]);
  assert.deepEqual(readConfigAnswer(json({})), { registries: new Map(), actors: [], providers: [] });
  assert.throws(
    () => readConfigAnswer(json({ registryCredentials: { r: { password: 424_242 } } })),
    (error) => isLatticeError(error) && error.message.includes("password must be") && !error.message.includes("424242"),
  );
});

test("JSON of any kind is read or refused by its code, also nested without end", () => {
  const deep = Buffer.from("[".repeat(500_000));
  assert.throws(() => JsonFields.parse(deep, "it"), /nested more than 64 deep/);
  assert.throws(() => JsonFields.parse(new Uint8Array(2_000_000), "it"), /more than 1048576 bytes/);
  assert.equal(JsonFields.parse(json({ a: '[[[\\"{' }), "it").text("a"), '[[[\\"{');
  assert.equal(JsonFields.parse(Buffer.from('{"__proto__":{"a":"x"}}'), "it").has("a"), false);
  fc.assert(
    fc.property(
      fc.oneof(
        fc.json().map((text) => Buffer.from(text)),
        fc.uint8Array(),
      ),
      (bytes) => {
        for (const read of [readConfigAnswer, readPolicyAnswer])
          try {
            read(bytes);
          } catch (error) {
            assert.ok(isLatticeError(error) && error.code === "REQUEST_INVALID", String(error));
          }
      },
    ),
    { numRuns: 1_000 },
  );
});
