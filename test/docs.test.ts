import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { metricTable } from "../host/index.ts";
import { launcher } from "./support/cli.ts";

const docs = fileURLToPath(new URL("../docs/", import.meta.url));

test("docs/errors.md says what the error catalogue says", () => {
  const printed = spawnSync(process.execPath, [`${docs}print-errors.mjs`], { encoding: "utf8" });
  assert.equal(printed.status, 0, printed.stderr);
  assert.equal(readFileSync(`${docs}errors.md`, "utf8"), printed.stdout, "run: npm run errors");
});

const page = (name: string) => readFileSync(`${docs}${name}`, "utf8");

test("what the pages for operators name is there: options, metrics, pages", async () => {
  const help = ["up", "doctor", "update", "swap", "run", "link put", "keys gen"]
    .map(
      (command) =>
        spawnSync(process.execPath, [launcher, ...command.split(" "), "--help"], { encoding: "utf8" }).stdout,
    )
    .join("\n");
  for (const name of ["operations.md", "compatibility.md", "lattice.md", "host.md"]) {
    const text = page(name);
    for (const [option] of text.matchAll(/(?<![\w-])--[a-z][a-z-]+/g))
      if (!elsewhere.has(option)) assert.ok(help.includes(option), `${name}: ${option}`);
    for (const [metric] of text.matchAll(/\blattice_[a-z_]+/g))
      assert.ok(Object.hasOwn(metricTable, metric), `${name}: ${metric}`);
    for (const [, file] of text.matchAll(/\]\(([a-z-]+\.md)\)/g))
      assert.ok(existsSync(`${docs}${file}`), `${name}: ${file}`);
  }
});

/** Of other programs, or of commands that are named beside them. */
const elsewhere = new Set(["--unix-socket", "--write", "--follow"]);
