import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Home, checkout, documentOf, failureOf, ready } from "../support/cli.ts";
import { until } from "../support/until.ts";

const examples = join(checkout, "actors", "examples");
const counter = join(examples, "kvcounter-rust", "kvcounter.wasm");
const dice = join(examples, "dice-rust", "dice.wasm");

/** Field of the first row of a list. */
function first(document: Record<string, unknown>, list: string): Record<string, unknown> {
  return (document[list] as Record<string, unknown>[])[0] ?? {};
}

describe("asking a host", () => {
  let home: Home;
  let hostId = "";
  let counterId = "";
  const json = async (...args: string[]) => documentOf(await home.run([...args, "-o", "json"]));

  before(async () => {
    home = new Home();
    const running = home.start(["run", counter, "--port", "0", "-o", "json"]);
    const { host, actors } = await ready(running);
    hostId = host.id;
    counterId = actors[0]?.id ?? "";
  });
  after(() => home[Symbol.asyncDispose]());

  test("get lists hosts, inventories, actors, providers, links, claims and events in wash's shape", async () => {
    assert.equal(first(await json("get", "hosts"), "hosts").id, hostId);
    const inventories = await json("get", "inventory");
    assert.deepEqual(Object.keys(inventories), ["success", "inventories"]);
    assert.equal(first(inventories, "inventories").host_id, hostId);
    assert.equal(first(await json("get", "inventory", hostId), "inventories").host_id, hostId);
    assert.equal(first(await json("get", "actors"), "actors").id, counterId);
    assert.equal((await json("get", "providers")).success, true);
    assert.equal(first(await json("get", "links"), "links").actor_id, counterId);
    assert.equal(first(await json("get", "claims"), "claims").sub, counterId);
    assert.equal(first(await json("get", "events"), "events").type, "host_started");
    assert.equal(first(await json("ctl", "get", "links"), "links").actor_id, counterId);
    assert.equal((await home.run(["get", "actors", "-o", "name"])).stdout, `${counterId}\n`);
    assert.match((await home.run(["get", "actors"])).stdout, /^NAME .*\nKey-value counter +M/);
    assert.match((await home.run(["get", "inventory"])).stdout, /^Host N/);
  });

  test("get -w goes on with what changes", async () => {
    const watching = home.start(["get", "events", "-w", "-o", "json"]);
    await until(() => watching.stdout().includes("host_started"));
    const { actor } = await json("start", "actor", dice, "--annotation", "for=watching");
    await until(() =>
      watching
        .stdout()
        .split("\n")
        .some((line) => line.includes("actor_started") && line.includes("watching")),
    );
    await json("stop", "actor", (actor as { id: string }).id);
    await until(() => watching.stdout().includes("actor_stopped"));
    watching.child.kill("SIGINT");
    assert.equal((await watching.finished).code, 130);
  });

  test("call takes JSON, finds actors by key, alias, name and beginning, and prints the reply decoded", async () => {
    const request = JSON.stringify({ method: "GET", path: "/call", queryString: "", header: {}, body: "" });
    for (const target of [counterId, "examples/kvcounter", "Key-value counter", counterId.slice(0, 6).toLowerCase()]) {
      const finished = await home.run(["call", target, "HttpServer.HandleRequest", request]);
      assert.equal(finished.code, 0, finished.stderr);
      const { statusCode, body } = JSON.parse(finished.stdout) as { statusCode: number; body: string };
      assert.equal(statusCode, 200);
      assert.match(body, /"counter":\d/);
    }
    const { reply, era, success } = await json("call", counterId, "Actor.HealthRequest");
    assert.deepEqual([success, era, (reply as { healthy: boolean }).healthy], [true, "E4", true]);
  });

  test("call reads its payload from a file, standard input and hexadecimal digits, and saves the reply", async () => {
    const request = JSON.stringify({ method: "GET", path: "/file", queryString: "", header: {}, body: "" });
    writeFileSync(join(home.path, "request.json"), request);
    const call = ["call", "examples/kvcounter", "HttpServer.HandleRequest"];
    assert.match((await home.run([...call, "@request.json"])).stdout, /counter/);
    assert.match((await home.run([...call, "--data", "request.json"])).stdout, /counter/);
    assert.match((await home.run([...call, "-"], { input: request })).stdout, /counter/);
    const health = ["call", "examples/kvcounter", "Actor.HealthRequest", "--hex", "80"];
    const raw = await home.run([...health, "--raw"]);
    assert.match(raw.stdout, /healthy/);
    await home.run([...health, "--save", "reply.bin"]);
    assert.match(
      readFileSync(join(home.path, "reply.bin"), "latin1"),
      /^\u0081\u00a7healthy\u00c3|^\u0081\u00a7healthy/,
    );
    assert.equal((await home.run([...call, "{not json"])).code, 2);
    assert.equal((await home.run([...call, "{}", "--text", "x"])).code, 2);
  });

  test("call exits by the kind of error", async () => {
    const absent = await home.run(["call", "nobody", "X", "-o", "json"]);
    assert.deepEqual([absent.code, failureOf(absent).code], [3, "ACTOR_ABSENT"]);
    const guest = await home.run(["call", counterId, "Nope.Nothing", "--hex", "80", "-o", "json"]);
    assert.deepEqual([guest.code, failureOf(guest).kind], [1, "guest"]);
  });

  test("explain names every step of the path, and what is missing", async () => {
    const { steps } = await json("explain", "examples/kvcounter");
    const names = (steps as { step: string }[]).map(({ step }) => step);
    for (const step of ["found", "token", "runs", "reached by", "may call", "limits"])
      assert.ok(names.includes(step), step);
    const text = (await home.run(["explain", counterId, "acme:thing"])).stdout;
    assert.match(text, /no {2}may call .*acme:thing.*\(CLAIM_ABSENT\)\n +hint: /);
  });

  test("describe shows an actor, a provider and the host", async () => {
    assert.equal((await json("describe", "examples/kvcounter")).kind, "actor");
    assert.equal((await json("describe", "provider", "wasmcloud:keyvalue")).kind, "provider");
    assert.equal((await json("describe", "host")).kind, "host");
    assert.match((await home.run(["describe", "host"])).stdout, /^kind: +host\n/);
  });
});
