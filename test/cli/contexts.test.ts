import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { documentOf, failureOf, Home } from "../support/cli.ts";

describe("contexts", () => {
  const home = new Home();
  after(() => home[Symbol.asyncDispose]());
  const json = async (...words: string[]) => documentOf(await home.run(["ctx", ...words, "-o", "json"]));

  test("one is made, shown, changed, chosen and forgotten; the last one made is in use", async () => {
    await json("new", "near", "--nats", "nats://127.0.0.1:4222");
    await json("new", "far", "--nats", "nats://far:4222", "--lattice", "shop");
    const { contexts, current } = await json("list");
    assert.deepEqual([(contexts as { name: string }[]).map(({ name }) => name), current], [["far", "near"], "far"]);
    await json("use", "near");
    await json("edit", "near", "--lattice", "other");
    assert.deepEqual((await json("show")).context, { name: "near", nats: "nats://127.0.0.1:4222", lattice: "other" });
    const { settings } = documentOf(await home.run(["config", "view", "-o", "json"]));
    assert.equal((settings as Record<string, string>).lattice, "other");
    await json("del", "near");
    assert.equal((await json("list")).current, null);
  });

  test("what opens a server is used and not shown", async () => {
    const servers = "nats://bob:p4@ss/w@near:4222,nats://tok3n@far:4222,127.0.0.1:4222";
    await json("new", "locked", "--nats", servers);
    const hidden = "nats://bob:[password]@near:4222,nats://[token]@far:4222,127.0.0.1:4222";
    assert.equal(((await json("show")).context as { nats: string }).nats, hidden);
    for (const words of [
      ["ctx", "list"],
      ["ctx", "show"],
      ["ctx", "use", "locked"],
      ["config", "view", "--show-origin"],
    ])
      for (const format of ["table", "json"]) {
        const { stdout, stderr } = await home.run([...words, "-o", format]);
        assert.doesNotMatch(stdout + stderr, /p4|ss\/w|tok3n/, words.join(" "));
      }
    await json("edit", "locked", "--lattice", "shop");
    assert.match(readFileSync(join(home.path, "config/wasmlattice/contexts/locked.context.json"), "utf8"), /bob:p4@ss/);
    await json("del", "locked");
  });

  test("one that there is not is absent, one that is there already is a conflict", async () => {
    const absent = await home.run(["ctx", "use", "nowhere", "-o", "json"]);
    assert.deepEqual([absent.code, failureOf(absent).code], [3, "CONTEXT_ABSENT"]);
    const twice = await home.run(["ctx", "new", "far", "-o", "json"]);
    assert.deepEqual([twice.code, failureOf(twice).code], [6, "CONTEXT_EXISTS"]);
    assert.equal((await home.run(["ctx", "new", "a b"])).code, 2);
  });
});
