import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { wantsColour } from "../../cli/colour.ts";
import { formatSeconds, parseDuration } from "../../cli/durations.ts";
import { parseFormat } from "../../cli/output.ts";
import { printable, renderPairs, renderTable } from "../../cli/table.ts";
import { Home, failureOf } from "../support/cli.ts";

const plain = { bold: same, dim: same, red: same, green: same, yellow: same };
function same(text: string): string {
  return text;
}

describe("tables", () => {
  const table = {
    rows: [
      { name: "counter", calls: 12, era: "E4" },
      { name: "x", calls: 0, era: "" },
    ],
    columns: [
      { head: "NAME", cell: (row: { name: string }) => row.name },
      { head: "CALLS", cell: (row: { calls: number }) => row.calls },
      { head: "ERA", cell: (row: { era: string }) => row.era, wide: true as const },
    ],
  };

  test("align their columns, and show wide columns only when asked to", () => {
    assert.deepEqual(renderTable(table, { wide: false, headers: true, paint: plain }), [
      "NAME      CALLS",
      "counter   12",
      "x         0",
    ]);
    assert.deepEqual(renderTable(table, { wide: true, headers: false, paint: plain }), [
      "counter   12   E4",
      "x         0    -",
    ]);
  });

  test("let no name steer the terminal", () => {
    assert.equal(printable("a\u001b[31mb\nc\u202ed"), "a [31mb c d");
    assert.equal(
      renderPairs([
        ["Name", "a\u0007b"],
        ["Gone", undefined],
      ]),
      "Name:  a b",
    );
  });
});

describe("durations", () => {
  test("are read with their unit", () => {
    assert.equal(parseDuration("500ms", "--timeout"), 500);
    assert.equal(parseDuration("2s", "--timeout"), 2_000);
    assert.equal(parseDuration("1h30m", "--timeout"), 5_400_000);
    assert.equal(parseDuration("0.5s", "--timeout"), 500);
    assert.equal(parseDuration("0", "--timeout"), 0);
  });

  test("without a unit, or with anything else, are refused with an example", () => {
    for (const wrong of ["5", "", "s", "5 s", "-5s", "5x", "1s2", "9".repeat(20) + "d"]) {
      assert.throws(() => parseDuration(wrong, "--timeout"), {
        code: "USAGE",
        message: /--timeout is .*500ms, 2s or 5m/,
      });
    }
  });

  test("are shown with at most two units", () => {
    assert.deepEqual([0, 59.9, 60, 61, 3_600, 7_380, 90_000].map(formatSeconds), [
      "0s",
      "59s",
      "1m",
      "1m1s",
      "1h",
      "2h3m",
      "1d1h",
    ]);
  });
});

describe("colour", () => {
  const terminal = { isTTY: true };
  const file = { isTTY: false };

  test("is for terminals, unless NO_COLOR, FORCE_COLOR or --color says otherwise", () => {
    assert.equal(wantsColour("auto", terminal, {}), true);
    assert.equal(wantsColour("auto", file, {}), false);
    assert.equal(wantsColour("auto", terminal, { NO_COLOR: "1" }), false);
    assert.equal(wantsColour("auto", terminal, { NO_COLOR: "" }), true);
    assert.equal(wantsColour("auto", terminal, { TERM: "dumb" }), false);
    assert.equal(wantsColour("auto", file, { FORCE_COLOR: "1", NO_COLOR: "1" }), true);
    assert.equal(wantsColour("auto", terminal, { FORCE_COLOR: "0" }), false);
    assert.equal(wantsColour("always", file, { NO_COLOR: "1" }), true);
    assert.equal(wantsColour("never", terminal, { FORCE_COLOR: "1" }), false);
  });
});

describe("formats", () => {
  test("are known by name, and text means table", () => {
    assert.equal(parseFormat("text"), "table");
    assert.equal(parseFormat("yaml"), "yaml");
    assert.throws(() => parseFormat("xml"), { code: "USAGE", message: /use table, wide, json, yaml, name, jsonl/ });
  });

  test("hold before and behind the command, and errors keep to them", async () => {
    await using home = new Home();
    const before = await home.run(["-o", "json", "config", "view"]);
    const behind = await home.run(["config", "view", "--output=json"]);
    assert.equal(before.stdout, behind.stdout);
    assert.equal((JSON.parse(before.stdout) as { success: boolean }).success, true);
    assert.match((await home.run(["config", "view", "-o", "yaml"])).stdout, /^success: true\nsettings:\n/);
    assert.doesNotMatch((await home.run(["config", "view", "--no-headers"])).stdout, /SETTING/);
    assert.match((await home.run(["config", "view", "-o", "name"])).stdout, /^keys\nlattice\n/);
  });
});

describe("failures", () => {
  test("say what, why and what next on stderr, nothing on stdout, without a stack", async () => {
    await using home = new Home();
    const { code, stdout, stderr } = await home.run(["claims", "sign", "absent.wasm"]);
    assert.equal(code, 3);
    assert.equal(stdout, "");
    assert.match(stderr, /^error: no file absent\.wasm \(FILE_ABSENT\)\n {2}hint: /);
    assert.doesNotMatch(stderr, /\n\s+at /);
    assert.match((await home.run(["claims", "sign", "absent.wasm", "--verbose"])).stderr, /\n\s+at /);
  });

  test("are one line of JSON with -o json", async () => {
    await using home = new Home();
    const failed = await home.run(["claims", "sign", "absent.wasm", "-o", "json"]);
    assert.equal(failed.stdout, "");
    const { hint, ...rest } = failureOf(failed);
    assert.deepEqual(rest, { success: false, error: "no file absent.wasm", code: "FILE_ABSENT", kind: "absent" });
    assert.equal(typeof hint, "string");
  });

  test("of the command line name what was nearest, with exit code 2", async () => {
    await using home = new Home();
    const command = await home.run(["inspcet", "x"]);
    assert.deepEqual([command.code, /did you mean lattice inspect\?/.test(command.stderr)], [2, true]);
    const option = await home.run(["keys", "list", "--directroy", "x"]);
    assert.deepEqual([option.code, /--directory/.test(option.stderr)], [2, true]);
    const word = await home.run(["get", "actros"]);
    assert.deepEqual([word.code, /actors/.test(word.stderr)], [2, true]);
    assert.equal((await home.run(["call"])).code, 2);
    assert.equal((await home.run(["get"])).code, 2);
    assert.equal((await home.run(["keys", "list", "-o", "xml"])).code, 2);
  });

  test("of a command that needs a further word name those that there are", async () => {
    await using home = new Home();
    const none = await home.run(["claims", "token"]);
    assert.deepEqual(
      [none.code, none.stderr],
      [2, "error: lattice claims token needs one of actor, provider, account, operator (USAGE)\n"],
    );
    const unknown = await home.run(["link", "nothing", "-o", "json"]);
    assert.match(
      String(failureOf(unknown).error),
      /unknown command 'nothing'; lattice link needs one of put, del, query/,
    );
  });

  test("of a host file stand one below the other, each once", async () => {
    await using home = new Home();
    const file = join(home.path, "host.yaml");
    writeFileSync(file, "latice: shop\nlabels: [a]\nlimits: { cpuMs: -4 }\n");
    const { code, stderr } = await home.run(["up", "--no-nats", "-f", file]);
    assert.equal(code, 2);
    assert.deepEqual(stderr.trimEnd().split("\n"), [
      `error: ${file}:1:1: a host file has no latice; did you mean lattice?`,
      `  ${file}:2:9: labels must be a table of names and values`,
      `  ${file}:3:18: limits.cpuMs must be a whole number from 1 to 3600000 (MANIFEST_INVALID)`,
    ]);
  });

  test("of a command that this build lacks say so", async () => {
    await using home = new Home();
    const { code, stderr } = await home.run(["push"]);
    assert.equal(code, 2);
    assert.match(stderr, /lattice push is not part of this build/);
    assert.doesNotMatch((await home.run(["--help"])).stdout, /\bpush\b/);
  });

  test("are coloured only where wanted", async () => {
    await using home = new Home();
    const coloured = await home.run(["nonsense", "--color", "always"]);
    assert.ok(coloured.stderr.startsWith("\u001b[31merror:"), coloured.stderr);
    assert.ok(!(await home.run(["nonsense"])).stderr.includes("\u001b"));
    assert.ok((await home.run(["nonsense"], { env: { FORCE_COLOR: "1" } })).stderr.includes("\u001b"));
  });
});

describe("help", () => {
  test("of a command goes to stdout with exit code 0", async () => {
    await using home = new Home();
    for (const args of [
      ["run", "--help"],
      ["help", "run"],
      ["claims", "sign", "-h"],
    ]) {
      const { code, stdout, stderr } = await home.run(args);
      assert.deepEqual([code, stderr], [0, ""], args.join(" "));
      assert.match(stdout, /^Usage: lattice /);
    }
  });
});
