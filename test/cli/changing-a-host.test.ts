import assert from "node:assert/strict";

import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Home, checkout, documentOf, failureOf, ready } from "../support/cli.ts";
import { until } from "../support/until.ts";

const examples = join(checkout, "actors", "examples");
const counter = join(examples, "kvcounter-rust", "kvcounter.wasm");
const dice = join(examples, "dice-rust", "dice.wasm");

describe("changing a host", () => {
  let home: Home;
  let hostId = "";
  let url = "";
  const json = async (...args: string[]) => documentOf(await home.run([...args, "-o", "json"]));

  before(async () => {
    home = new Home();
    const running = home.start(["run", counter, "--port", "0", "-o", "json"]);
    const { host, actors } = await ready(running);
    hostId = host.id;
    url = actors[0]?.urls[0] ?? "";
  });
  after(() => home[Symbol.asyncDispose]());

  test("start, link, use, scale and stop an actor", async () => {
    const { actor } = await json("start", "actor", dice);
    const { id } = actor as { id: string };
    const { urls } = await json("link", "put", "Dice", "wasmcloud:httpserver", "address=127.0.0.1:0");
    const [address = ""] = urls as string[];
    assert.equal((await fetch(`${address}/2`)).status, 200);
    await home.run(["wait", "actor", "Dice", "--timeout", "60s"]);
    assert.equal((await home.run(["scale", "actor", hostId, id, "--instances", "3"])).code, 0);
    const { actors } = await json("get", "actors");
    const row = (actors as { id: string; instances: { max_instances: number }[] }[]).find((one) => one.id === id);
    assert.equal(row?.instances[0]?.max_instances, 3);
    assert.match((await home.run(["logs", "Dice"])).stdout, /^info {2}throw .*makes/m);
    assert.equal((await home.run(["logs", "Dice", "-o", "jsonl", "--tail", "1"])).stdout.trim().split("\n").length, 1);
    assert.equal((await home.run(["link", "del", "Dice", "wasmcloud:httpserver"])).code, 0);
    await until(() =>
      fetch(address).then(
        () => false,
        () => true,
      ),
    );
    assert.equal((await home.run(["stop", "actor", hostId, id])).code, 0);
    assert.equal((await home.run(["wait", "actor", "Dice", "--for", "gone", "--timeout", "60s"])).code, 0);
    const again = await home.run(["wait", "actor", "Dice", "--timeout", "300ms", "-o", "json"]);
    assert.deepEqual([again.code, failureOf(again).code], [5, "WAIT_TIMEOUT"]);
    assert.match((await home.run(["logs", "Dice"])).stdout, /makes/, "kept after the stop");
  });

  test("start and stop a provider under a link name, and refuse one twice", async () => {
    const start = ["start", "provider", "builtin:keyvalue-memory", "-l", "cache"];
    assert.equal((await home.run(start)).code, 0);
    const twice = await home.run([...start, "-o", "json"]);
    assert.deepEqual([twice.code, failureOf(twice).code], [6, "PROVIDER_CONFLICT"]);
    const { links } = await json("link", "query");
    assert.ok(Array.isArray(links));
    assert.equal((await home.run(["stop", "provider", "wasmcloud:keyvalue", "-l", "cache"])).code, 0);
    const gone = await home.run(["stop", "provider", "wasmcloud:keyvalue", "-l", "cache", "-o", "json"]);
    assert.deepEqual([gone.code, failureOf(gone).code], [3, "PROVIDER_ABSENT"]);
  });

  test("swap puts another store behind a running actor, step by step, and says what it refuses", async () => {
    const before = (await (await fetch(`${url}/moved`)).json()) as { counter: number };
    assert.equal(before.counter, 1);
    const { stdout } = await home.run(["swap", "keyvalue", "memory", "--trial", "100ms", "-o", "jsonl"]);
    const lines = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const steps = ["started", "linked", "healthy", "switched", "trial", "kept", "drained", undefined];
    assert.deepEqual(
      lines.map(({ step }) => step),
      steps,
    );
    assert.deepEqual([lines.at(-1)?.outcome, lines.at(-1)?.lost], ["swapped", 0]);
    const after = (await (await fetch(`${url}/moved`)).json()) as { counter: number };
    assert.equal(after.counter, 1, "another store");
    const refused = await home.run(["swap", "keyvalue", "builtin:httpserver", "-o", "json"]);
    assert.deepEqual([refused.code, failureOf(refused).code], [6, "SWAP_REFUSED"]);
    const plain = await home.run(["swap", "keyvalue", "memory", "--trial", "0"]);
    assert.match(plain.stderr, /switched {2}new calls go to key-value in memory/);
    assert.match(plain.stdout, /^Swapped keyvalue for key-value in memory \(V\w+\): \d+ calls, 0 waited, 0 lost/);
  });

  test("one of our own goes to a process of its own by --process child, and back; get and describe tell", async () => {
    const processOf = async () => {
      const { providers } = await json("get", "providers");
      const rows = providers as { contract_id: string; process: string }[];
      return rows.find(({ contract_id }) => contract_id === "wasmcloud:keyvalue")?.process;
    };
    await fetch(`${url}/own`);
    const kept = ["--trial", "0", "--copy-state"];
    await json("swap", "keyvalue", "sqlite:own.db", "--process", "child", ...kept);
    assert.equal(await processOf(), "child");
    const { provider } = await json("describe", "provider", "wasmcloud:keyvalue");
    const { process: where, image_ref } = provider as { process: string; image_ref: string };
    assert.deepEqual([where, image_ref], ["child", "child:builtin:keyvalue-sqlite"]);
    await json("swap", "keyvalue", "memory", ...kept);
    assert.equal(await processOf(), "host");
    const { counter: count } = (await (await fetch(`${url}/own`)).json()) as { counter: number };
    assert.equal(count, 2);
    const started = await json("start", "provider", "builtin:numbergen", "-l", "apart", "--process", "child");
    assert.equal((started["provider"] as { link_name: string }).link_name, "apart");
    assert.equal((await home.run(["stop", "provider", "wasmcloud:builtin:numbergen", "-l", "apart"])).code, 0);
    assert.equal((await home.run(["swap", "keyvalue", "memory", "--process", "thread"])).code, 2);
  });

  test("what a swap cannot start is named, with what can be named instead", async () => {
    const own = await home.run(["swap", "keyvalue", "./own.ts", "-o", "json"]);
    assert.deepEqual([own.code, failureOf(own).code], [4, "PROVIDER_BY_PATH"]);
    assert.match(String(failureOf(own).error), /^\.\/own\.ts is a module of your own/);
    assert.match(String(failureOf(own).hint), /lattice par create.*process: child.*childProvider/);
    const started = await home.run(["start", "provider", "own.mjs", "-o", "json"]);
    assert.deepEqual([started.code, failureOf(started).code], [4, "PROVIDER_BY_PATH"]);
    const odd = await home.run(["swap", "keyvalue", "memroy", "-o", "json"]);
    assert.deepEqual([odd.code, failureOf(odd).code], [3, "BUILTIN_ABSENT"]);
    assert.match(String(failureOf(odd).error), /memroy/);
    assert.match(String(failureOf(odd).hint), /sqlite:FILE/);
    const short = await home.run(["start", "provider", "keyvalue", "-o", "json"]);
    assert.match(String(failureOf(short).error), /did you mean wasmcloud:keyvalue\?/);
  });

  test("update replaces a running actor by a later revision without losing its store", async () => {
    assert.equal((await fetch(`${url}/kept`)).status, 200);
    const seeds = join(home.path, "seeds");
    const sign = ["claims", "sign", dice, "-q", "-l", "-z", "--directory", seeds, "-n", "Rolling"];
    assert.equal((await home.run([...sign, "-r", "1", "-d", "one.wasm"])).code, 0);
    assert.equal((await home.run([...sign, "-r", "2", "-d", "two.wasm"])).code, 0);
    await json("start", "actor", "one.wasm");
    assert.equal((await home.run(["update", "actor", "Rolling", "two.wasm"])).code, 0);
    const { claims } = await json("get", "claims");
    const row = (claims as { name: string; rev: string }[]).find(({ name }) => name === "Rolling");
    assert.equal(row?.rev, "2");
    const forced = ["update", "Rolling", "one.wasm", "--force", "--same-capabilities"];
    assert.notEqual((await home.run([...forced.slice(0, 3), "--trial", "10ms"])).code, 0, "revision 1 is not newer");
    assert.equal((await home.run([...forced, "--trial", "10ms"])).code, 0);
    assert.equal((await home.run([...forced, "--trial", "soon"])).code, 2);
    const other = await home.run(["update", "Rolling", counter, "-o", "json"]);
    assert.deepEqual([other.code, failureOf(other).code], [4, "UPDATE_REFUSED"]);
    assert.match(String(failureOf(other).error), /its key is M\w+, that of the new module, Key-value counter, is M\w+/);
    await json("stop", "actor", "Rolling");
  });

  test("drain lets the host take no more, and only the host that was named", async () => {
    assert.equal((await home.run(["drain", "provider"])).code, 2);
    assert.equal((await home.run(["drain", "nobody"])).code, 3);
    assert.equal((await fetch(url)).status, 200);
    const { provider } = await json("drain", "wasmcloud:keyvalue");
    assert.equal((provider as { state: string }).state, "draining");
    assert.equal((await fetch(url)).status, 503);
    await json("swap", "keyvalue", "memory", "--trial", "0");
    assert.equal((await fetch(url)).status, 200);
    const { host } = await json("drain", hostId.slice(0, 8));
    assert.deepEqual(host, { id: hostId, state: "draining" });
    const late = await home.run(["start", "actor", dice, "-o", "json"]);
    assert.deepEqual([late.code, failureOf(late).code], [5, "DRAINING"]);
  });
});
