import assert from "node:assert/strict";
import { test } from "node:test";
import { nuid } from "../../lattice/index.ts";

test("a NUID has 22 characters of base 62 and does not repeat", () => {
  const made = Array.from({ length: 20_000 }, () => nuid());
  assert.equal(new Set(made).size, made.length);
  assert.ok(made.every((id) => /^[0-9A-Za-z]{22}$/.test(id)));
});
