import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { Home, checkout, documentOf, failureOf, ready } from "../support/cli.ts";
import { until } from "../support/until.ts";

const echo = join(checkout, "actors", "examples", "echo-c", "echo.wasm");

describe("control sockets", () => {
  test("that nobody listens on are ignored, found by doctor, and cleared by the next command", async () => {
    await using home = new Home();
    leaveStale(join(home.path, "wasmlattice", `N${"A".repeat(55)}.sock`));
    assert.equal(await socketsLine(home), "warning");
    assert.equal((await home.run(["get", "hosts"])).code, 3);
    assert.equal(await socketsLine(home), "ok");
  });

  test("of several hosts: a command says which it took and how to choose; one that ends a host refuses to guess", async () => {
    await using home = new Home();
    const [first, second] = [home.start(["up", "-o", "json"]), home.start(["run", echo, "--port", "0", "-o", "json"])];
    const ids = [(await ready(first)).host.id, (await ready(second)).host.id];
    const both = documentOf(await home.run(["get", "hosts", "-o", "json"])).hosts as {
      id: string;
      friendly_name: string;
    }[];
    assert.deepEqual(both.map(({ id }) => id).toSorted(), ids.toSorted());
    const guessed = await home.run(["get", "actors"]);
    assert.equal(guessed.code, 0);
    assert.match(guessed.stderr, /2 hosts run here; took N\w+, choose with --host-id or --socket/);
    const chosen = await home.run(["get", "actors", "--host-id", ids[1] ?? "", "-o", "name"]);
    assert.deepEqual([chosen.stdout.split("\n").length, chosen.stderr], [2, ""]);
    const named = both.find(({ id }) => id === ids[0])?.friendly_name ?? "";
    assert.equal((await home.run(["get", "actors", "--host-id", named, "-o", "name"])).stdout, "");
    const socket = join(home.path, "wasmlattice", `${ids[1]}.sock`);
    assert.equal((await home.run(["get", "actors", "--socket", socket, "-o", "name"])).stdout, chosen.stdout);
    assert.equal(
      (await home.run(["get", "actors", "-o", "name"], { env: { LATTICE_SOCKET: socket } })).stdout,
      chosen.stdout,
    );
    const down = await home.run(["down", "-o", "json"]);
    assert.deepEqual([down.code, failureOf(down).code], [2, "HOST_AMBIGUOUS"]);
    assert.equal((await home.run(["down", ids[0] ?? ""])).code, 0);
    assert.equal((await first.finished).code, 0);
    assert.equal((await home.run(["down", "--all"])).code, 0);
    assert.equal((await second.finished).code, 0);
  });
});

async function socketsLine(home: Home): Promise<string | undefined> {
  const { checks } = documentOf(await home.run(["doctor", "--port", "0", "-o", "json"]));
  return (checks as { name: string; status: string }[]).find(({ name }) => name === "sockets")?.status;
}

/** A socket file without a listener, as kill -9 leaves it. */
function leaveStale(path: string): void {
  mkdirSync(join(path, ".."), { recursive: true, mode: 0o700 });
  const script = `require("net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
  spawnSync(process.execPath, ["-e", script]);
}

describe("without a host", () => {
  test("commands say how to start one, with exit code 3", async () => {
    await using home = new Home();
    const absent = await home.run(["get", "actors", "-o", "json"]);
    assert.deepEqual([absent.code, failureOf(absent).code], [3, "HOST_ABSENT"]);
    assert.match(String(failureOf(absent).hint), /lattice up/);
    assert.equal((await home.run(["down"])).code, 3);
    assert.equal((await home.run(["wait", "host", "--for", "gone"])).code, 0);
  });

  test("they say so too where only wash's context names a lattice, and nobody is there", async () => {
    await using home = new Home();
    const contexts = join(home.path, ".wash", "contexts");
    mkdirSync(contexts, { recursive: true });
    writeFileSync(join(contexts, "index.json"), '{"name":"mine"}');
    writeFileSync(join(contexts, "mine.json"), '{"name":"mine","ctl_host":"127.0.0.1","ctl_port":1}');
    const absent = await home.run(["get", "actors", "-o", "json"]);
    assert.deepEqual([absent.code, failureOf(absent).code], [3, "HOST_ABSENT"]);
    assert.match(String(failureOf(absent).error), /nor on the lattice of wash's context: .*127\.0\.0\.1:1/);
  });

  test("a host that does not answer in time is unavailable", async () => {
    await using home = new Home();
    const silent = createServer((connection) => connection.resume());
    const path = join(home.path, "silent.sock");
    silent.listen(path);
    await until(() => silent.listening);
    const late = await home.run(["get", "actors", "--socket", path, "--timeout", "200ms", "-o", "json"]);
    silent.close();
    assert.deepEqual([late.code, failureOf(late).code], [5, "RPC_TIMEOUT"]);
  });
});
