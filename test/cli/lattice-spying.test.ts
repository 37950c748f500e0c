import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { example } from "../support/examples.ts";
import { LatticeProcesses, linesOf } from "../support/lattice-processes.ts";
import { natsSkip } from "../support/nats-server.ts";
import { until } from "../support/until.ts";

const request = '{"method":"GET","path":"/secret-path","queryString":"","header":{},"body":""}';

describe("watching calls over a lattice", { skip: natsSkip() }, () => {
  let world: LatticeProcesses;
  let [front, back] = ["", ""];

  before(async () => {
    world = await LatticeProcesses.start(["--engines", "1"], ["--engines", "0"]);
    [front = "", back = ""] = world.hosts;
    await world.json("start", "actor", example("kvcounter-rust"), "--host-id", back);
    await world.json("start", "provider", "builtin:keyvalue-memory", "--host-id", front);
    await world.json("link", "put", "kvcounter", "wasmcloud:keyvalue");
  });
  after(() => world[Symbol.asyncDispose]());

  test("spy shows calls of and to an actor, each once, with both ends, sizes, time and outcome", async () => {
    const spying = world.start("spy", "kvcounter", "-o", "jsonl");
    await until(async () => {
      await world.run("call", "kvcounter", "HttpServer.HandleRequest", request);
      // The first call may come before the spy does, or in the middle of its coming.
      const seen = (of: Record<string, unknown>) =>
        linesOf(spying).some((line) => Object.entries(of).every(([name, value]) => line[name] === value));
      return seen({ operation: "HttpServer.HandleRequest" }) && seen({ to: "wasmcloud:keyvalue/default" });
    });
    const [asked, answered] = [
      linesOf(spying).find(({ operation }) => operation === "HttpServer.HandleRequest"),
      linesOf(spying).find(({ to }) => to === "wasmcloud:keyvalue/default"),
    ];
    assert.deepEqual(
      [asked?.from, asked?.to_name, asked?.outcome, asked?.where, asked?.host],
      ["operator", "Key-value counter", "ok", "local", back],
    );
    assert.ok(Number(asked?.bytes) > 20 && Number(asked?.reply_bytes) > 10 && Number(asked?.ms) > 0);
    assert.deepEqual(
      [answered?.from_name, answered?.outcome, answered?.where, answered?.host],
      ["Key-value counter", "ok", "remote", back],
    );
    assert.ok(Number(asked?.queue_ms) >= 0 && Number(asked?.guest_ms) > 0, "the time in the queue and in the guest");
    assert.ok(Number(answered?.remote_ms) > 0 && Number(answered?.remote_ms) <= Number(answered?.ms) + 0.01);
    assert.equal(answered?.why_remote, "absent here");
    assert.ok(
      !linesOf(spying).some((line) => "payload" in line || "asked_by" in line),
      "the host that was asked is silent",
    );
    spying.child.kill("SIGINT");
    assert.equal((await spying.finished).code, 130);
  });

  test("what calls carry is shown on request only; failures are shown with their code", async () => {
    const spying = world.start("spy", "kvcounter", "--payload", "-o", "jsonl");
    await until(async () => {
      await world.run("call", "kvcounter", "HttpServer.HandleRequest", request);
      await world.run("call", "kvcounter", "Nonsense", "--text", "x");
      return ["HttpServer.HandleRequest", "Nonsense"].every((wanted) =>
        linesOf(spying).some(({ operation }) => operation === wanted),
      );
    });
    const [asked, failed] = [
      linesOf(spying).find(({ operation }) => operation === "HttpServer.HandleRequest"),
      linesOf(spying).find(({ operation }) => operation === "Nonsense"),
    ];
    assert.match(Buffer.from(String(asked?.payload), "base64").toString(), /secret-path/);
    assert.match(Buffer.from(String(asked?.reply), "base64").toString(), /counter/);
    assert.equal(failed?.outcome, "GUEST_FAILED");
    assert.equal(Buffer.from(String(failed?.payload), "base64").toString(), "x");
    spying.child.kill("SIGINT");
    await spying.finished;
  });

  test("nobody is watched by a name that no host knows", async () => {
    const { code, stderr } = await world.run("spy", "nobody");
    assert.equal(code, 3);
    assert.match(stderr, /no actor nobody/);
  });
});
