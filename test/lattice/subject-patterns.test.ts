import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "../support/fast-check.ts";
import { checkPattern, checkSubject, isPattern, subjectMatches } from "../../lattice/index.ts";

const rows: [pattern: string, subject: string, fits: boolean][] = [
  ["a.b", "a.b", true],
  ["a.b", "a.c", false],
  ["a.b", "a", false],
  ["a.b", "a.b.c", false],
  ["a.*", "a.b", true],
  ["a.*", "a", false],
  ["a.*", "a.b.c", false],
  ["*.b", "a.b", true],
  ["*", "a", true],
  ["*", "a.b", false],
  ["a.>", "a.b", true],
  ["a.>", "a.b.c", true],
  ["a.>", "a", false],
  ["a.>", "b.a", false],
  [">", "a", true],
  [">", "a.b.c", true],
  ["*.*.>", "a.b", false],
  ["*.*.>", "a.b.c", true],
  ["a.*.c.>", "a.b.c.d.e", true],
  ["A", "a", false],
];
for (const [pattern, subject, fits] of rows)
  test(`${pattern} ${fits ? "covers" : "does not cover"} ${subject}`, () => {
    assert.equal(subjectMatches(pattern, subject), fits);
  });

test("a pattern agrees with its regular expression", () => {
  const token = fc.constantFrom("a", "b", "cc");
  const subject = fc.array(token, { minLength: 1, maxLength: 5 });
  const pattern = fc.tuple(fc.array(fc.oneof(token, fc.constant("*")), { minLength: 1, maxLength: 5 }), fc.boolean());
  fc.assert(
    fc.property(pattern, subject, ([tokens, rest], words) => {
      const text = [...tokens, ...(rest ? [">"] : [])].join(".");
      const expression = text.replaceAll(".", "\\.").replaceAll("*", "[^.]+").replace(/>$/, ".+");
      assert.equal(subjectMatches(text, words.join(".")), new RegExp(`^${expression}$`).test(words.join(".")));
    }),
    { numRuns: 500 },
  );
});

test("what is no subject or pattern is refused by name", () => {
  for (const wrong of ["", ".", "a.", ".a", "a..b", "a b", "a\nb", "a\tb", "a\0b", "x".repeat(3_000)]) {
    assert.throws(() => checkSubject(wrong), { code: "SUBJECT_INVALID" });
    assert.throws(() => checkPattern(wrong), { code: "SUBJECT_INVALID" });
  }
  for (const wrong of ["*", "a.*", "a.>"]) assert.throws(() => checkSubject(wrong), { code: "SUBJECT_INVALID" });
  for (const wrong of [">.a", "a.>.b"]) assert.throws(() => checkPattern(wrong), { code: "SUBJECT_INVALID" });
  for (const right of ["a", "$KV.LATTICEDATA_x.>", "wasmbus.rpc.default.MABC", "a*b", "é.ü"])
    assert.doesNotThrow(() => checkPattern(right));
  assert.doesNotThrow(() => checkSubject("a*b.c>"));
  assert.equal(isPattern("a.*"), true);
  assert.equal(isPattern("a*.b"), false);
});
