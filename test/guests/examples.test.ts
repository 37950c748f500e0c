import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { repository } from "../../actors/examples/toolchains.mjs";
import { examples } from "../../actors/examples/build.mjs";
import { ActorModule, builtins, httpServer, readHostFile, startHost } from "../../index.ts";
import { example } from "../support/examples.ts";

interface Served extends AsyncDisposable {
  readonly url: string;
  /** Text of each log line of all actors. */
  lines(): string[];
}

/** The first example behind HTTP with what it claims, the others beside it. */
async function serve(...names: string[]): Promise<Served> {
  const host = await startHost({ logLevel: "silent" });
  const [first] = await Promise.all(names.map(async (name) => host.startActor(await load(name))));
  assert.ok(first);
  const { claims } = await load(names[0] ?? "");
  for (const contract of claims.capabilities.filter((id) => id !== "wasmcloud:httpserver")) {
    await host.link(first, await host.startProvider(contract));
  }
  const web = await host.startProvider(httpServer());
  const { urls } = await host.link(first, web, { values: { address: "127.0.0.1:0" } });
  return {
    url: urls[0] ?? "",
    lines: () => host.logs.tail(host.logs.placements().map(({ id }) => id)).map(({ text }) => text),
    [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
  };
}

const load = (name: string) => ActorModule.fromFile(example(name));

for (const name of ["kvcounter-rust", "kvcounter-assemblyscript"]) {
  test(`${name} counts each path for itself`, async () => {
    await using served = await serve(name);
    const counts = ["/tea", "/tea", "/", "/tea", "/a%22b/%C3%A9?x=1"].map(async (path) => fetch(served.url + path));
    const answers = await Promise.all(counts.map(async (response) => (await response).json()));
    const seen = (answers as { counter: number; path: string }[]).filter(({ path }) => path === "/tea");
    assert.deepEqual(new Set(seen.map(({ counter }) => counter)), new Set([1, 2, 3]));
    assert.deepEqual(answers[4], { counter: 1, path: "/a%22b/%C3%A9" });
  });
}

for (const name of ["echo-rust", "echo-c"]) {
  test(`${name} gives a body back with its type, and describes a request without one`, async () => {
    await using served = await serve(name);
    const headers = { "content-type": "text/x-tea" };
    const body = "tèa ".repeat(50_000);
    const echoed = await fetch(served.url, { method: "POST", body, headers });
    assert.equal(echoed.headers.get("content-type"), "text/x-tea");
    assert.equal(await echoed.text(), body);
    const described = await fetch(`${served.url}/a%22b?x=%5C&y`);
    assert.equal(described.headers.get("content-type"), "application/json");
    assert.deepEqual(await described.json(), { method: "GET", path: "/a%22b", query: "x=%5C&y" });
  });
}

test("pinger reaches ponger by its call alias, and says clearly when nobody carries it", async () => {
  await using pair = await serve("pinger-rust", "ponger-rust");
  assert.deepEqual(await (await fetch(pair.url)).json(), { reply: "pong" });
  const nobody = await fetch(`${pair.url}/no/such/alias`);
  assert.equal(nobody.status, 500);
});

test("dice throws as many dice as asked, logs the throw, and refuses too many", async () => {
  await using served = await serve("dice-rust");
  const thrown = (await (await fetch(`${served.url}/5`)).json()) as { dice: number[]; sum: number; throw: string };
  assert.equal(thrown.dice.length, 5);
  assert.ok(thrown.dice.every((die) => die >= 1 && die <= 6));
  assert.equal(
    thrown.sum,
    thrown.dice.reduce((sum, die) => sum + die, 0),
  );
  assert.match(thrown.throw, /^[0-9a-f-]{36}$/);
  assert.ok(served.lines().some((line) => line.includes(thrown.throw)));
  assert.equal((await fetch(`${served.url}/21`)).status, 400);
  assert.ok(served.lines().includes("refused to throw /21 dice"));
});

test("the host file of npm start names every example and only providers of ours", async () => {
  const file = await readHostFile(join(repository, "actors/examples/shop.yaml"), {});
  const modules = examples().examples.map((entry) => join(repository, "actors/examples", entry.file));
  assert.deepEqual(file.actors.map(({ reference }) => reference).toSorted(), modules.toSorted());
  const ours = new Set([...builtins.values()].map(({ contractId }) => contractId));
  assert.deepEqual(
    file.capabilities.filter(({ contractId }) => !ours.has(contractId ?? "")),
    [],
  );
  for (const { claims, file: module } of examples().examples) {
    const name = file.actors.find(({ reference }) => reference.endsWith(module))?.name;
    const linked = file.links.filter(({ actor }) => actor === name).map(({ contractId }) => contractId);
    assert.deepEqual(linked.toSorted(), claims.toSorted(), module);
  }
});
