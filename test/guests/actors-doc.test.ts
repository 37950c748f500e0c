import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { examples } from "../../actors/examples/build.mjs";
import { repository } from "../../actors/examples/toolchains.mjs";
import { acceptedProposals, refusedProposals } from "../../actors/index.ts";
import { type LimitName, limitTable } from "../../host/index.ts";
import { catalogue, contractAliases, contractOf } from "../../lattice/index.ts";

const doc = readFileSync(join(repository, "docs/actors.md"), "utf8");

/** The rows of the first table after a line, cells without their back-ticks. */
function table(after: string): string[][] {
  const start = doc.indexOf(after);
  assert.ok(start >= 0, `no line "${after}" in docs/actors.md`);
  const lines = doc.slice(start).split("\n");
  const first = lines.findIndex((line) => line.startsWith("| ---"));
  const end = lines.findIndex((line, index) => index > first && !line.startsWith("|"));
  return lines.slice(first + 1, end).map((line) =>
    line
      .slice(1, -1)
      .split("|")
      .map((cell) => cell.trim().replaceAll("`", "")),
  );
}

test("docs/actors.md lists the proposals that the instrumenter accepts and refuses", () => {
  assert.deepEqual(table("\nAccepted:"), Object.entries(acceptedProposals));
  assert.deepEqual(table("\nRefused, by name:"), Object.entries(refusedProposals));
});

test("docs/actors.md gives each limit its default and meaning", () => {
  for (const [name = "", value, says] of table("\n## Limits")) {
    const limit = limitTable[name as LimitName];
    assert.ok(limit, name);
    assert.deepEqual([value, says], [written(name, limit.default), limit.says], name);
  }
});

function written(name: string, value: number): string {
  if (name.endsWith("Ms")) return `${value} ms`;
  if (!/Bytes$|Chars$/.test(name)) return String(value);
  const unit = name.endsWith("Bytes") ? "B" : "";
  return value >= 2 ** 20 ? `${value / 2 ** 20} Mi${unit}` : `${value / 2 ** 10} Ki${unit}`;
}

test("docs/actors.md explains codes that the catalogue has, every one of modules, tokens and guests among them", () => {
  const explained = new Set(table("\n## When it does not work").flatMap(([codes = ""]) => codes.split(", ")));
  for (const code of explained) assert.ok(code in catalogue, code);
  const rare = new Set(["MODULE_HASH_PARTIAL", "TOKEN_KEY_KIND", "TOKEN_KIND"]);
  const wanted = Object.keys(catalogue).filter((code) => /^(MODULE|TOKEN|GUEST)_/.test(code) && !rare.has(code));
  assert.deepEqual(
    wanted.filter((code) => !explained.has(code)),
    [],
  );
});

test("docs/actors.md names the contracts as the alias sets do", () => {
  const capabilities = ["httpserver", "keyvalue", "messaging", "logging", "numbers"] as const;
  assert.deepEqual(
    table("| capability | its names").map(([, names]) => names?.split(", ")),
    capabilities.map((capability) => contractAliases(contractOf(capability))),
  );
});

test("docs/actors.md names the account that signed the examples, and every example", () => {
  const { account, examples: list } = examples();
  assert.ok(doc.includes(account));
  const named = table("| example | language").flatMap(([names = ""]) => names.split(", "));
  assert.deepEqual(named.toSorted(), list.map(({ file }) => file.replace(/\/.*/, "")).toSorted());
});
