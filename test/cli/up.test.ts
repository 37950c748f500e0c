import assert from "node:assert/strict";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { connectNats } from "../../lattice/index.ts";
import { Home, checkout, documentOf, failureOf, ready } from "../support/cli.ts";
import { freePort } from "../support/free-port.ts";
import { natsSkip, NatsServer } from "../support/nats-server.ts";
import { until } from "../support/until.ts";

const examples = join(checkout, "actors", "examples");

const shop = `
labels: { zone: a }
actors:
  - path: ${join(examples, "kvcounter-rust", "kvcounter.wasm")}
    name: counter
    instances: 2
  - ${join(examples, "ponger-rust", "ponger.wasm")}
capabilities:
  - wasmcloud:httpserver
  - contract: wasmcloud:keyvalue
    provider: builtin:keyvalue-memory
links:
  - { actor: counter, contract: wasmcloud:httpserver, values: { address: "127.0.0.1:\${PORT:0}" } }
  - { actor: counter, contract: wasmcloud:keyvalue }
`;

describe("lattice up", () => {
  test("starts what a host file asks for, and down drains and ends it", async () => {
    await using home = new Home();
    writeFileSync(join(home.path, "shop.yaml"), shop);
    const running = home.start(["up", "-f", "shop.yaml", "--no-nats", "-o", "json"]);
    const { actors, providers, links } = await ready(running);
    assert.deepEqual(
      actors.map(({ name }) => name),
      ["Key-value counter", "Ponger"],
    );
    assert.equal(providers.length, 2);
    assert.equal(links.length, 2);
    const response = await fetch(`${actors[0]?.urls[0]}/x`);
    assert.deepEqual(await response.json(), { counter: 1, path: "/x" });
    const { hosts } = documentOf(await home.run(["get", "hosts", "-o", "json"]));
    assert.equal((hosts as { labels: Record<string, string> }[])[0]?.labels.zone, "a");
    const down = await home.run(["down"]);
    assert.match(down.stdout, /^Stopped host N/);
    assert.equal((await running.finished).code, 0);
    assert.equal((await home.run(["down"])).code, 3);
  });

  test("names file, line and column of what it cannot read or start", async () => {
    await using home = new Home();
    writeFileSync(join(home.path, "odd.yaml"), "actors:\n  - path: absent.wasm\n");
    const absent = await home.run(["up", "-f", "odd.yaml", "-o", "json"]);
    assert.equal(absent.code, 3);
    assert.match(String(failureOf(absent).error), /^odd\.yaml:2:5: no file .*absent\.wasm/);
    writeFileSync(join(home.path, "odd.yaml"), "actors: []\nlimits:\n  cpuMz: 3\n");
    const odd = await home.run(["up", "-f", "odd.yaml", "-o", "json"]);
    assert.deepEqual([odd.code, failureOf(odd).code], [2, "MANIFEST_INVALID"]);
    assert.match(String(failureOf(odd).error), /odd\.yaml:3:\d+: .*cpuMs/);
    const unlinked = shop.replace("  - wasmcloud:httpserver\n", "");
    writeFileSync(join(home.path, "odd.yaml"), unlinked);
    const missing = await home.run(["up", "-f", "odd.yaml", "-o", "json"]);
    assert.equal(missing.code, 3);
    assert.match(String(failureOf(missing).error), /^odd\.yaml:12:5: no provider of wasmcloud:httpserver/);
  });

  test("with -d returns once the host is ready, leaves it running with a log of its own, and down ends it", async () => {
    await using home = new Home();
    writeFileSync(join(home.path, "shop.yaml"), shop);
    const up = documentOf(await home.run(["up", "-d", "-f", "shop.yaml", "-o", "json"]));
    try {
      const [actor] = up.actors as { urls: string[] }[];
      assert.equal((await fetch(`${actor?.urls[0]}/d`)).status, 200);
      assert.ok(existsSync(String(up.log)));
      assert.equal(statSync(String(up.log)).mode & 0o077, 0);
      const { hosts } = documentOf(await home.run(["get", "hosts", "-o", "json"]));
      assert.equal((hosts as { pid: number }[])[0]?.pid, up.pid);
    } finally {
      assert.equal((await home.run(["down"])).code, 0);
    }
    await until(() => !alive(Number(up.pid)));
    assert.match(readFileSync(String(up.log), "utf8"), /has stopped/);
  });

  test("with -d fails as it would have failed in the foreground", async () => {
    await using home = new Home();
    const failed = await home.run(["up", "-d", "-f", "absent.yaml", "-o", "json"]);
    assert.deepEqual([failed.code, failureOf(failed).code], [3, "FILE_ABSENT"]);
    const usage = await home.run(["up", "-d", "--engines", "many", "-o", "json"]);
    assert.deepEqual([usage.code, failureOf(usage).code], [2, "USAGE"]);
  });

  test(
    "starts although the NATS server that was asked for is away, says so, and joins when it comes",
    { skip: natsSkip() },
    async () => {
      await using home = new Home();
      const port = await freePort();
      const up = ["up", "--nats", `nats://127.0.0.1:${port}`, "--metrics", "127.0.0.1:0", "-o", "json"];
      const running = home.start(up);
      const { host } = await ready(running);
      const [address = ""] = await until(() => /http:\/\/127\.0\.0\.1:\d+/.exec(running.stderr()));
      const readyz = async () => {
        const answer = await fetch(`${address}/readyz`);
        return { status: answer.status, text: await answer.text() };
      };
      const away = await readyz();
      assert.equal(away.status, 503);
      assert.match(away.text, /lattice default .*connecting/);
      await using server = await NatsServer.start({ port });
      await until(async () => (await readyz()).status === 200);
      const client = await connectNats({ servers: server.url });
      const records = await until(async () => {
        const found = await client.bus.gather("wasmbus.ctl.default.ping.hosts", new Uint8Array(), {
          timeoutMs: 500,
          max: 1,
        });
        return found.length > 0 && found;
      });
      const record = JSON.parse(Buffer.from(records[0]!.payload).toString()) as Record<string, string>;
      assert.equal(record["id"], host.id);
      const { keys } = documentOf(await home.run(["keys", "list", "-o", "json"])) as { keys: unknown[] };
      assert.match(JSON.stringify(keys), /cluster/, "the cluster key of this user was made once");
      await client.close();
    },
  );

  test("stands alone when told so, whatever the environment says", async () => {
    await using home = new Home();
    const alone = home.start(["up", "--no-nats", "-o", "json"], { env: { NATS_URL: "nats://127.0.0.1:1" } });
    assert.match((await ready(alone)).host.id, /^N/);
  });

  test("serves metrics and readiness where asked, and takes seeds from files, never from the line", async () => {
    await using home = new Home();
    const seed = await home.run(["keys", "gen", "host", "--save", "mine", "-o", "json"]);
    const { public_key, directory } = documentOf(seed);
    const file = join(String(directory), "mine.nk");
    const running = home.start(["up", "--host-seed", file, "--metrics", "127.0.0.1:0", "-o", "json"]);
    assert.equal((await ready(running)).host.id, public_key);
    const [address = ""] = await until(() => /http:\/\/127\.0\.0\.1:\d+/.exec(running.stderr()));
    assert.match(await (await fetch(`${address}/metrics`)).text(), /^# HELP /);
    assert.equal((await fetch(`${address}/readyz`)).status, 200);
    const literal = readFileSync(file, "utf8").trim();
    const refused = await home.run(["up", "--host-seed", literal, "-o", "json"]);
    assert.equal(refused.code, 2);
    assert.doesNotMatch(refused.stderr, new RegExp(literal));
  });
});

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
