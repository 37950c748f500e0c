import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "../support/fast-check.ts";
import {
  type Field,
  bytes,
  checkParameters,
  flag,
  listOf,
  oneOf,
  optional,
  text,
  textMap,
  wholeNumber,
} from "../../host/parameters.ts";
import { findVerb, verb } from "../../host/verb-table.ts";

const context = { signal: new AbortController().signal };
const scale = verb({
  name: "scale",
  summary: "changes the number of instances",
  params: { actor: text({ max: 60 }), instances: wholeNumber(1, 100), wait: optional(flag()) },
  run: async ({ actor, instances, wait }) => ({ actor, instances, wait }),
});

test("a verb gets its parameters checked and typed", async () => {
  assert.deepEqual(await scale.run({ actor: "counter", instances: 3 }, context), {
    actor: "counter",
    instances: 3,
    wait: undefined,
  });
});

test("parameters of a query string are texts and are read as what they mean", async () => {
  assert.deepEqual(await scale.run({ actor: "counter", instances: "3", wait: "true" }, context), {
    actor: "counter",
    instances: 3,
    wait: true,
  });
});

test("all problems of a request are told at once, with the nearest name", async () => {
  await assert.rejects(scale.run({ instance: 3, instances: 0, wait: "maybe" }, context), {
    code: "REQUEST_INVALID",
    message:
      "bad request to scale: no parameter instance; did you mean instances?; actor is missing, it must be a text of 1 to 60 characters; " +
      "instances must be a whole number from 1 to 100; wait must be true or false",
  });
});

test("parameters that are no object are refused", () => {
  for (const params of [[], "x", 7, true]) {
    assert.throws(() => checkParameters("v", {}, params), { code: "REQUEST_INVALID" });
  }
});

test("names that every object inherits are not parameters and not verbs", () => {
  assert.throws(() => checkParameters("v", {}, JSON.parse('{"__proto__":1}')), /no parameter __proto__/);
  assert.throws(() => checkParameters("v", { toString: text() }, {}), /toString is missing/);
  assert.throws(() => findVerb({ scale }, "toString"), { code: "VERB_UNKNOWN" });
  assert.equal(findVerb({ scale }, "scale"), scale);
});

test("each kind of field reads what it wants and refuses the rest", () => {
  const cases: [Field<unknown>, unknown[], unknown[]][] = [
    [text({ max: 3 }), ["a", "abc"], ["", "abcd", 3, null]],
    [wholeNumber(-2, 10), [-2, "10", 0], [11, "1e1", "", " 1", 0.5, "9".repeat(400)]],
    [flag(), [true, "false"], ["yes", 1]],
    [oneOf("table", "json"), ["json"], ["yaml", 1]],
    [
      textMap({ entries: 2, bytes: 6 }),
      [{}, { a: "b", c: "d" }],
      [{ a: 1 }, [], "x", { a: "1", b: "2", c: "3" }, { a: "123456" }],
    ],
    [listOf(wholeNumber(0, 9), 2), [[], [1, 2]], [[1, 2, 3], [10], "x"]],
    [bytes(4), ["", "AAEC", "AAECAw=="], ["AAECAwQ=", "A", "AA-_", "A*==", "====", 7]],
  ];
  for (const [field, good, bad] of cases) {
    for (const value of good)
      assert.notEqual(field.read(value), undefined, `${field.wanted}: ${JSON.stringify(value)}`);
    for (const value of bad) assert.equal(field.read(value), undefined, `${field.wanted}: ${JSON.stringify(value)}`);
  }
});

test("bytes come back as they were sent", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (sent) => {
      assert.deepEqual(bytes(100).read(Buffer.from(sent).toString("base64")), sent);
    }),
  );
});
