import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const docs = fileURLToPath(new URL("../docs/", import.meta.url));

test("docs/errors.md says what the error catalogue says", () => {
  const printed = spawnSync(process.execPath, [`${docs}print-errors.mjs`], { encoding: "utf8" });
  assert.equal(printed.status, 0, printed.stderr);
  assert.equal(readFileSync(`${docs}errors.md`, "utf8"), printed.stdout, "run: npm run errors");
});
