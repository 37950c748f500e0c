import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { failureOf } from "../support/cli.ts";
import { example } from "../support/examples.ts";
import { LatticeProcesses, linesOf } from "../support/lattice-processes.ts";
import { natsSkip } from "../support/nats-server.ts";
import { until } from "../support/until.ts";

const request = '{"method":"GET","path":"/","queryString":"","header":{},"body":""}';
const longestMs = 60_000;

describe("commands about hosts elsewhere on a lattice", { skip: natsSkip() }, () => {
  let world: LatticeProcesses;
  let [front, back, backName] = ["", "", ""];

  before(async () => {
    world = await LatticeProcesses.start(["--engines", "1"], ["--engines", "0"]);
    [front = "", back = ""] = world.hosts;
    const hosts = await world.rows("hosts", "get", "hosts");
    backName = String(hosts.find(({ id }) => id === back)?.friendly_name);
    await world.json("start", "actor", example("kvcounter-rust"), "--host-id", back);
    await world.json("start", "provider", "builtin:keyvalue-memory", "--host-id", front);
  });
  after(() => world[Symbol.asyncDispose]());

  test("a host elsewhere is described by its key, the beginning of it, or its name", async () => {
    for (const words of [[back.slice(0, 12)], [backName], ["host", back]]) {
      const { kind, host } = await world.json("describe", ...words);
      assert.deepEqual([kind, (host as { id: string }).id], ["host", back], words.join(" "));
    }
    const near = await world.run("describe", "kvcountr", "--host-id", front);
    assert.equal(near.code, 3);
    assert.match(near.stderr, /did you mean kvcounter\?/);
  });

  test("a watch prints each row once, again when it has changed, and says when it is gone", async () => {
    await world.json("start", "actor", example("dice-rust"), "--host-id", front);
    await world.json("start", "actor", example("dice-rust"), "--host-id", back);
    const dice = (host: string) => (row: Record<string, unknown>) => row.name === "Dice" && row.host_id === host;
    const [actors, hosts, table] = [
      world.start("get", "actors", "-w", "-o", "jsonl"),
      world.start("get", "hosts", "-w", "-o", "jsonl"),
      world.start("get", "providers", "-w"),
    ];
    await until(() => linesOf(actors).length >= 3 && linesOf(hosts).length >= 2 && table.stdout() !== "", longestMs);
    await world.run("call", "Dice", "HttpServer.HandleRequest", request, "--host-id", back);
    await until(() => linesOf(actors).filter(dice(back)).length >= 2, longestMs);
    await world.json("stop", "actor", "Dice", "--host-id", front);
    const gone = await until(() => linesOf(actors).find((row) => row.gone === true), longestMs);
    assert.ok(dice(front)(gone));
    const printed = linesOf(actors).map((row) => JSON.stringify(row));
    assert.equal(new Set(printed).size, printed.length, "no row comes twice");
    await world.json("start", "provider", "builtin:numbergen", "--host-id", back);
    await until(() => table.stdout().includes("number generator"), longestMs);
    await world.json("stop", "provider", "number", "--host-id", back);
    await until(() => table.stdout().includes("number generator is gone"), longestMs);
    const lines = table.stdout().split("\n");
    assert.equal(lines.filter((line) => line.startsWith("NAME")).length, 1);
    const [head = "", first = ""] = lines;
    const added = lines.find((line) => line.startsWith("number generator ")) ?? "";
    assert.equal(added.indexOf("VCJC"), head.indexOf("ID"), "columns stay where they were");
    assert.equal(first.indexOf("V"), head.indexOf("ID"));
    assert.equal(linesOf(hosts).length, 2, "that time passes is no change");
    for (const { child } of [actors, hosts, table]) child.kill("SIGINT");
    for (const { finished } of [actors, hosts, table]) assert.equal((await finished).code, 130);
  });

  test("logs of an actor on several hosts come merged, with the host that told them", async () => {
    await world.json("start", "actor", example("dice-rust"), "--host-id", front);
    const following = world.start("logs", "Dice", "-f", "-o", "jsonl");
    await until(async () => {
      for (const host of [front, back])
        await world.run("call", "Dice", "HttpServer.HandleRequest", request, "--host-id", host);
      return new Set(linesOf(following).map(({ host_id: host }) => host)).size === 2;
    }, longestMs);
    const times = linesOf(following).map(({ time }) => String(time));
    assert.deepEqual(times, times.toSorted());
    following.child.kill("SIGINT");
    await following.finished;
    const { stdout } = await world.run("logs", "Dice", "-n", "1", "--host-id", backName);
    assert.equal(stdout.trim().split("\n").length, 1);
  });

  test("waiting finds things by what other commands call them, and says what did not come", async () => {
    for (const words of [
      ["provider", "keyvalue"],
      ["actor", "kvcounter"],
      ["host", backName],
      ["actor", "nobody", "--for", "gone"],
    ])
      assert.equal((await world.run("wait", ...words, "--timeout", "60s")).code, 0, words.join(" "));
    const late = await world.run("wait", "provider", "nobody", "--timeout", "300ms", "-o", "json");
    assert.deepEqual([late.code, failureOf(late).code], [5, "WAIT_TIMEOUT"]);
    await world.json("link", "put", "kvcounter", "wasmcloud:keyvalue", "--host-id", front);
    await world.json("drain", "provider", "keyvalue", "--host-id", front);
    const why = async () => (await world.run("explain", "kvcounter", "wasmcloud:keyvalue", "--host-id", back)).stdout;
    await until(async () => /where it drains \(DRAINING\)/.test(await why()), longestMs);
    const drained = await world.run("wait", "provider", "keyvalue", "--timeout", "300ms");
    assert.equal(drained.code, 5, "one that takes no more calls does not run");
    await world.json("stop", "provider", "keyvalue", "--host-id", front);
    assert.equal((await world.run("wait", "provider", "keyvalue", "--for", "gone", "--timeout", "60s")).code, 0);
  });

  test("what means one actor here and another there is refused; a whole name means one", async () => {
    await world.json("start", "actor", example("echo-rust"), "--host-id", front);
    await world.json("start", "actor", example("echo-c"), "--host-id", back);
    for (const words of [
      ["stop", "actor", "ech"],
      ["logs", "ech"],
      ["scale", "ech", "2"],
    ]) {
      const refused = await world.run(...words, "-o", "json");
      assert.deepEqual([refused.code, failureOf(refused).code], [2, "ACTOR_AMBIGUOUS"], words.join(" "));
    }
    const called = await world.run("call", "Echo", "HttpServer.HandleRequest", request);
    assert.deepEqual([called.code, called.stderr], [0, ""]);
    assert.equal((await world.run("logs", "Echo")).code, 0);
    await world.json("stop", "actor", "Echo (C)");
    await world.json("stop", "actor", "Echo");
  });

  test("a job is followed on the host that began it, whichever that was", async () => {
    const start = ["start", "provider", "builtin:numbergen", "-l", "job", "--skip-wait", "-o", "name"];
    const { stdout } = await world.run(...start, "--host-id", back);
    const { job } = await world.json("wait", "job", stdout.trim(), "--timeout", "60s");
    assert.equal((job as { state: string }).state, "done");
    assert.equal((await world.run("stop", "provider", "number", "-l", "job", "--host-id", back)).code, 0);
  });

  test("a builtin that there is not is refused with the nearest name, whoever would have run it", async () => {
    const { code, stderr } = await world.run("start", "provider", "builtin:keyvalue-memry");
    assert.equal(code, 3);
    assert.match(stderr, /did you mean builtin:keyvalue-memory\?/);
  });

  test("top shows every actor of every host", async () => {
    const { stdout, code } = await world.run("top", "-n", "1", "-o", "jsonl", "--every", "200ms");
    assert.equal(code, 0);
    const rows = stdout.trim().split("\n");
    assert.deepEqual(
      new Set(rows.map((row) => (JSON.parse(row) as { host_id: string }).host_id)),
      new Set([front, back]),
    );
  });

  test("down means hosts of this machine, whatever lattice a variable names", async () => {
    for (const words of [["down"], ["down", back], ["down", "--all"]]) {
      const { code, stderr } = await world.run(...words);
      assert.deepEqual([code, /HOST_ABSENT/.test(stderr)], [3, true], words.join(" "));
    }
  });

  test("one of several hosts is drained and stopped only when it is named", async () => {
    const { code, stderr } = await world.run("stop", "host");
    assert.equal(code, 2);
    assert.match(stderr, /HOST_AMBIGUOUS/);
    await world.json("drain", backName);
    assert.equal((await world.run("wait", "host", backName, "--timeout", "300ms")).code, 5);
  });

  test("a watch goes on with the host that is left, and what ran on the other is gone once", async () => {
    const watching = world.start("get", "actors", "-w", "-o", "jsonl");
    const of = (host: string) => linesOf(watching).filter(({ host_id: id }) => id === host);
    await until(() => of(front).length > 0 && of(back).length > 0, longestMs);
    await world.json("stop", "host", backName);
    const ran = new Set(of(back).map(({ id }) => id)).size;
    await until(() => of(back).filter(({ gone }) => gone === true).length === ran, longestMs);
    const before = of(front).length;
    await world.run("call", "Dice", "HttpServer.HandleRequest", request);
    await until(() => of(front).length > before, longestMs);
    assert.ok(of(front).every(({ gone }) => gone === undefined));
    watching.child.kill("SIGINT");
    await watching.finished;
    assert.equal((await world.run("wait", "host", backName, "--for", "gone", "--timeout", "60s")).code, 0);
  });
});
