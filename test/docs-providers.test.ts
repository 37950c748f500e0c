import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { builtins } from "../capabilities/index.ts";

const root = fileURLToPath(new URL("../", import.meta.url));
const read = (path: string) => readFileSync(`${root}${path}`, "utf8");
const page = read("docs/providers.md");
const sections = page.split(/^## /m).slice(1);

/** Every text in backquotes of a part of the page, lists in one pair taken apart. */
function named(text: string): Set<string> {
  return new Set([...text.matchAll(/`([^`\n]+)`/g)].flatMap(([, each = ""]) => each.split(/[ ,]+/)));
}

function section(heading: string): string {
  const found = sections.find((each) => each.startsWith(heading));
  assert.ok(found, `a section "${heading}"`);
  return found;
}

/** Names in quotation marks. */
function quoted(text: string): string[] {
  return [...text.matchAll(/"([A-Za-z]\w*)"/g)].map(([, name = ""]) => name);
}

/** What a settings reader takes of values: read by name, taken apart, or listed as known. */
function valuesReadIn(source: string): string[] {
  return [
    ...Array.from(source.matchAll(/\b(?:values|all|config|given)\["(\w+)"\]/g), ([, name = ""]) => name),
    ...Array.from(source.matchAll(/const \{([^}]*)\} = (?:all|values)\b/g), ([, names = ""]) =>
      names.split(",").map((each) => each.split(/[:=]/)[0]!.trim()),
    ).flat(),
    ...Array.from(source.matchAll(/(?:new Set\(|known = )\[([^\]]*)\]/g), ([, list = ""]) => quoted(list)).flat(),
    ...Array.from(source.matchAll(/!== "(\w+_file)"/g), ([, name = ""]) => name),
  ].filter((name) => /^[a-z]/i.test(name));
}

/** Settings readers and the section that tells of their values. */
const readers: readonly (readonly [string, string])[] = [
  ["http-server/settings.ts", "HTTP server"],
  ["http-server/cors.ts", "HTTP server"],
  ["http-client/settings.ts", "HTTP client"],
  ["keyvalue/link-values.ts", "Key-value"],
  ["messaging/settings.ts", "Messaging"],
  ["nats/servers.ts", "Messaging"],
  ["blobstore-files/provider.ts", "Blob store"],
  ["blobstore-objects/provider.ts", "Blob store"],
];

test("the page of providers has every builtin, its contract, and whether it is the default", () => {
  for (const { reference, contractId, isDefault } of builtins.values()) {
    const row = page.split("\n").find((line) => line.startsWith(`| \`${reference}\` | \`${contractId}\``));
    assert.ok(row, reference);
    assert.equal(row.endsWith("| yes |"), isDefault, reference);
    assert.ok(
      sections.some((each) => each.split("\n")[0]!.includes(`\`${reference}\``)),
      `${reference} in a heading`,
    );
  }
  for (const [reference] of page.matchAll(/builtin:[a-z][a-z-]+/g)) assert.ok(builtins.has(reference), reference);
});

test("the page of providers has every setting, where its provider is told of", () => {
  const blocks = read("capabilities/builtins.ts")
    .split(/\bbuiltin\(\s*"/)
    .slice(1);
  let count = 0;
  for (const block of blocks) {
    const reference = `builtin:${block.slice(0, block.indexOf('"'))}`;
    if (!builtins.has(reference)) continue;
    const told = sections.find((each) => each.split("\n")[0]!.includes(`\`${reference}\``));
    const names = named(told ?? "");
    const settings = Array.from(block.matchAll(/read\(config, \[([^\]]*)\]/g), ([, list = ""]) => quoted(list)).flat();
    count += settings.length;
    for (const name of settings) assert.ok(names.has(name), `${reference}: ${name}`);
  }
  assert.ok(count > 15, "settings were found");
});

test("the page of providers has every link value that a provider reads", () => {
  for (const [file, heading] of readers) {
    const values = valuesReadIn(read(`capabilities/${file}`));
    assert.ok(values.length > 0, `values were found in ${file}`);
    const names = named(section(heading));
    const has = (name: string) => names.has(name) || names.has(name.toUpperCase());
    assert.deepEqual(
      [...new Set(values)].filter((name) => !has(name)),
      [],
      file,
    );
  }
});

test("the page says that the HTTP server stays on its host, for the reason that a swap gives", () => {
  const [, reason = ""] = /refuse\("(its sockets are )this host's, and clients know their addresses/.exec(
    read("host/moves/move-run.ts"),
  ) ?? [undefined];
  assert.notEqual(reason, "", "the refusal");
  const told = section("HTTP server");
  for (const part of ["`--to-host`", "`SWAP_REFUSED`", reason, "clients know their addresses"])
    assert.ok(told.includes(part), part);
});
