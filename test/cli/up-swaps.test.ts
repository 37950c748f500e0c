import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { documentOf, Home, ready } from "../support/cli.ts";
import { until } from "../support/until.ts";

const shop = "capabilities:\n  - provider: builtin:keyvalue-memory\n";

void test("names a swap that the file does not say, after a stop and after a kill, until it is to be forgotten", async () => {
  await using home = new Home();
  writeFileSync(join(home.path, "shop.yaml"), shop);
  const up = ["up", "-f", "shop.yaml", "--no-nats", "-o", "json"];
  const swap = ["swap", "keyvalue", "sqlite:store.db", "--trial"];
  const first = home.start(up);
  await ready(first, 30_000);
  assert.doesNotMatch(first.stderr(), /swap/);
  assert.equal((await home.run([...swap, "0"])).code, 0);
  assert.equal((await home.run(["down"])).code, 0);
  await first.finished;

  const second = home.start(up);
  await ready(second, 30_000);
  const differs =
    /a swap of \S+ put builtin:keyvalue-sqlite behind wasmcloud:keyvalue .*builtin:keyvalue-memory serves/;
  await until(() => differs.test(second.stderr()));
  const trying = home.start([...swap, "10m", "-o", "jsonl"]);
  await until(() => trying.stdout().includes('"trial"'));
  const switched = () => {
    const folder = join(home.path, "state", "wasmlattice");
    const [note = ""] = readdirSync(folder).filter((name) => /^file-\w+\.json$/.test(name));
    return readFileSync(join(folder, note), "utf8").includes('"switched": true');
  };
  await until(switched);
  second.child.kill("SIGKILL");
  await Promise.all([second.finished, trying.finished]);

  const third = home.start(up);
  await ready(third, 30_000);
  const cut =
    /builtin:keyvalue-memory for builtin:keyvalue-sqlite .* was cut off .*what builtin:keyvalue-sqlite was given/;
  await until(() => cut.test(third.stderr()) && differs.test(third.stderr()));
  const { events } = documentOf(await home.run(["get", "events", "-o", "json"]));
  assert.ok((events as { type: string }[]).some(({ type }) => type === "swap_interrupted"));
  assert.equal((await home.run(["down"])).code, 0);
  await third.finished;

  const fresh = home.start([...up, "--fresh"]);
  await ready(fresh, 30_000);
  assert.equal((await home.run(["down"])).code, 0);
  assert.doesNotMatch((await fresh.finished).stderr, /swap/);
});

void test("a host file runs where no state can be kept, and the host says what that means for swaps", async () => {
  await using home = new Home();
  writeFileSync(join(home.path, "shop.yaml"), shop);
  writeFileSync(join(home.path, "state"), "no folder");
  const running = home.start(["up", "-f", "shop.yaml", "--no-nats", "-o", "json"]);
  await ready(running, 30_000);
  await until(() => /will not know of swaps: /.test(running.stderr()));
  assert.equal((await home.run(["down"])).code, 0);
});
