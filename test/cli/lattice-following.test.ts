import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { latticeChoice, openLattice } from "../../cli/lattice-access.ts";
import { whatIsOpen } from "../../cli/what-is-open.ts";
import { failureOf, ready } from "../support/cli.ts";
import { example } from "../support/examples.ts";
import { LatticeProcesses, linesOf } from "../support/lattice-processes.ts";
import { freePort } from "../support/free-port.ts";
import { natsSkip } from "../support/nats-server.ts";
import { until } from "../support/until.ts";

const request = '{"method":"GET","path":"/","queryString":"","header":{},"body":""}';
const dice = example("dice-rust");
const longestMs = 60_000;

describe("what goes on while a lattice changes", { skip: natsSkip() }, () => {
  let world: LatticeProcesses;

  before(async () => {
    world = await LatticeProcesses.start(["--engines", "0"]);
  });
  after(() => world[Symbol.asyncDispose]());

  test("followed logs go on with instances and hosts that come later, and end when the actor has stopped everywhere", async () => {
    const [front = ""] = world.hosts;
    await world.json("start", "actor", dice, "--host-id", front, "-a", "team=blue");
    const following = world.start("logs", "Dice", "-f", "-o", "jsonl");
    const told = (what: string) => new Set(linesOf(following).map((line) => line[what]));
    const call = (host: string) => world.run("call", "Dice", "HttpServer.HandleRequest", request, "--host-id", host);
    await until(async () => {
      await call(front);
      return told("placement").size === 1;
    }, longestMs);
    await world.json("start", "actor", dice, "--host-id", front, "-a", "team=red");
    await world.json("stop", "actor", "Dice", "-a", "team=blue");
    await until(async () => {
      await call(front);
      return told("placement").size === 2;
    }, longestMs);
    const { host } = await ready(world.start("up", "--nats", world.server.url, "--engines", "0", "-o", "json"));
    await world.json("start", "actor", dice, "--host-id", host.id);
    await until(async () => {
      await call(host.id);
      return told("placement").size === 3;
    }, longestMs);
    const lines = linesOf(following).map(({ time, placement, text }) => [placement, time, text].join(" "));
    assert.equal(new Set(lines).size, lines.length, "no line is told twice");

    const both = await world.run("update", "Dice", dice, "--all-hosts", "--skip-wait", "--force", "-o", "json");
    assert.equal(both.code, 2);
    assert.match(String(failureOf(both).error), new RegExp(`lattice update Dice .* --host-id ${host.id} --skip-wait`));

    for (const id of [front, host.id]) await world.json("stop", "actor", "Dice", "--host-id", id);
    assert.equal((await following.finished).code, 0);
  });
});

test("--timeout shortens the wait for a server that is away", async () => {
  const nats = `nats://127.0.0.1:${await freePort()}`;
  const waits = (timeout?: string) => latticeChoice({ nats, ...(timeout ? { timeout } : {}) })!.connectMs;
  assert.deepEqual([waits(), waits("50ms"), waits("1m")], [5_000, 50, 5_000]);
  const before = performance.now();
  await assert.rejects(openLattice(latticeChoice({ nats, timeout: "50ms" })!), { code: "NATS_UNREACHABLE" });
  assert.ok(performance.now() - before < 4_000, "it does not wait for the usual 5 s");
  await whatIsOpen.close();
});
