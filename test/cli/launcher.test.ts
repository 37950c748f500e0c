import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import { describe, test } from "node:test";
import { Home, checkout, failureOf, launcher } from "../support/cli.ts";
import { until } from "../support/until.ts";

/** A Node on this machine that is too old to run actors. */
const oldNode = (process.env.PATH ?? "")
  .split(delimiter)
  .map((folder) => join(folder, "node"))
  .filter((file) => existsSync(file))
  .find((file) => Number(/^v(\d+)/.exec(execFileSync(file, ["--version"], { encoding: "utf8" }))?.[1]) < 24);

describe("the launcher", () => {
  test("prints help on stdout without loading the command line", async () => {
    await using home = new Home();
    for (const args of [[], ["--help"], ["-h"], ["help"]]) {
      const { code, stdout, stderr } = await home.run(args);
      assert.equal(code, 0);
      assert.match(stdout, /^Usage: lattice COMMAND/);
      assert.match(stdout, /\n {2}run /);
      assert.equal(stderr, "");
    }
    const coverage = join(home.path, "coverage");
    await home.run(["--help"], { env: { NODE_V8_COVERAGE: coverage } });
    const [report = ""] = readdirSync(coverage);
    const { result } = JSON.parse(readFileSync(join(coverage, report), "utf8")) as { result: { url: string }[] };
    const loaded = result.filter(({ url }) => url.startsWith("file:")).map(({ url }) => url.replace(/^.*\//, ""));
    assert.deepEqual(loaded.toSorted(), ["help.ts", "lattice.mjs"]);
  });

  test("prints the version of the package", async () => {
    await using home = new Home();
    const { version } = JSON.parse(
      execFileSync(process.execPath, ["-p", "JSON.stringify(require('./package.json'))"], {
        cwd: checkout,
        encoding: "utf8",
      }),
    ) as { version: string };
    assert.equal((await home.run(["--version"])).stdout, `lattice ${version}\n`);
    const long = JSON.parse((await home.run(["version", "-o", "json"])).stdout) as Record<string, unknown>;
    assert.equal(long.success, true);
    assert.equal(long.version, version);
  });

  test("starts itself again on the bundled Node when the running one is too old", { skip: skipOld() }, async () => {
    await using home = new Home();
    const { code, stdout } = await home.run(["version", "-o", "json"], { node: oldNode ?? "" });
    assert.equal(code, 0);
    const { node } = JSON.parse(stdout) as { node: string };
    assert.ok(Number(node.split(".")[0]) >= 24, node);
  });

  test("passes exit codes of the command through", { skip: skipOld() }, async () => {
    await using home = new Home();
    assert.equal((await home.run(["nonsense"], { node: oldNode ?? "" })).code, 2);
  });

  test("passes signals on, and a kill of the launcher ends the command too", { skip: skipOld() }, async () => {
    await using home = new Home();
    for (const [signal, code] of [
      ["SIGINT", 130],
      ["SIGTERM", 143],
    ] as const) {
      const running = home.start(["wait", "host", "-o", "json"], { node: oldNode ?? "" });
      const inner = await until(() => childOf(running.child.pid ?? 0));
      running.child.kill(signal);
      assert.equal((await running.finished).code, code);
      await until(() => !alive(inner));
    }
    const running = home.start(["wait", "host", "-o", "json"], { node: oldNode ?? "" });
    const inner = await until(() => childOf(running.child.pid ?? 0));
    running.child.kill("SIGKILL");
    await until(() => !alive(inner));
  });

  test("says which Node it needs, and why, when there is none to start", { skip: skipOld() }, async () => {
    await using home = new Home();
    const alone = join(home.path, "alone", "cli");
    execFileSync("mkdir", ["-p", alone]);
    execFileSync("cp", [launcher, alone]);
    const run = (...args: string[]) =>
      spawnSync(oldNode ?? "", [join(alone, "lattice.mjs"), ...args], { encoding: "utf8", env: home.env });
    const plain = run("version");
    assert.equal(plain.status, 7);
    assert.match(plain.stderr, /24\.20 or newer is needed \(.+\)/);
    assert.equal(plain.stdout, "");
    const { code, kind } = failureOf({
      code: 7,
      signal: null,
      stdout: "",
      stderr: run("run", "x", "-o", "json").stderr,
    });
    assert.deepEqual([code, kind], ["NODE_TOO_OLD", "unavailable"]);
  });
});

function skipOld(): string | false {
  return oldNode === undefined ? "no Node older than 24 on PATH" : false;
}

function childOf(pid: number): number | undefined {
  const { stdout } = spawnSync("ps", ["-o", "pid=", "--ppid", String(pid)], { encoding: "utf8" });
  return Number(stdout.trim()) || undefined;
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
