import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { threadArguments } from "../../lattice/index.ts";

test("a program given to node as text runs engines, modules and the SQLite store in their threads", () => {
  const folder = mkdtempSync(join(tmpdir(), "lattice-text-"));
  const at = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);
  const script = `
    import { startHost } from ${at("../../index.ts")};
    import { askHost, edgeActor } from ${at("../support/edge.ts")};
    const host = await startHost({ engines: 1, logLevel: "error" });
    const actor = await host.startActor(edgeActor());
    const path = ${JSON.stringify(join(folder, "text.db"))};
    await host.link(actor, await host.startProvider("builtin:keyvalue-sqlite", { config: { path } }));
    const reply = await host.call(actor, "Call", askHost("wasmcloud:keyvalue", "Get", "x"));
    await host.stop();
    process.stdout.write("answered " + Buffer.from(reply).toString("latin1"));
  `;
  const { stdout, stderr, status } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    encoding: "utf8",
    timeout: 60_000,
  });
  rmSync(folder, { recursive: true, force: true });
  assert.equal(status, 0, stderr);
  assert.match(stdout, /^answered /);
  assert.doesNotMatch(stdout, /input-type/);
});

test("threads inherit the options of the process, but for a program given as text", () => {
  assert.deepEqual(threadArguments(["--import", "./hook.mjs", "--max-old-space-size=100"]), {});
  assert.deepEqual(threadArguments(["--trace-gc", "--input-type=module", "-e", "1"]), { execArgv: [] });
  assert.deepEqual(threadArguments(["--input-type", "commonjs", "-p", "1"]), { execArgv: [] });
});
