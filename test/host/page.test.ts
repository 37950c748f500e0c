import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { parseHostFile } from "../../host/manifest.ts";

const docs = fileURLToPath(new URL("../../docs/", import.meta.url));
const page = readFileSync(`${docs}host.md`, "utf8");

test("docs/host.md lists the limits, metrics and events that the code has", () => {
  const printed = spawnSync(process.execPath, [`${docs}print-host.mjs`], { encoding: "utf8" });
  assert.equal(printed.status, 0, printed.stderr);
  assert.equal(page, printed.stdout, "run: node docs/print-host.mjs --write");
});

test("the host file that docs/host.md shows is one", async () => {
  const [, text = ""] = /```yaml\n([^]*?)```/.exec(page) ?? [];
  const file = await parseHostFile(text, "/srv/shop.yaml", {});
  assert.equal(file.links[0]?.values["port"], "8080");
  assert.deepEqual([file.actors.length, file.capabilities.length, file.links.length], [2, 3, 2]);
});
