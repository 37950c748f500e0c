import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { documentOf, failureOf, Home, ready } from "../support/cli.ts";
import { example } from "../support/examples.ts";

const dice = example("dice-rust");

describe("asking one host", () => {
  let home: Home;
  const json = async (...args: string[]) => documentOf(await home.run([...args, "-o", "json"]));

  before(async () => {
    home = new Home();
    await ready(home.start(["up", "--no-nats", "--engines", "0", "-o", "json"]), 30_000);
  });
  after(() => home[Symbol.asyncDispose]());

  test("annotations choose among the placements of one actor, and a count takes some of its instances", async () => {
    const start = (team: string) => json("start", "actor", dice, "-a", `team=${team}`, "--instances", "4");
    await Promise.all([start("blue"), start("red")]);
    const scales = async () => {
      const { actors } = await json("get", "actors");
      const row = (
        actors as { name: string; instances: { annotations: { team: string }; max_instances: number }[] }[]
      ).find(({ name }) => name === "Dice");
      return Object.fromEntries(
        row?.instances.map(({ annotations, max_instances: most }) => [annotations.team, most]) ?? [],
      );
    };
    await json("scale", "Dice", "6", "-a", "team=red");
    assert.deepEqual(await scales(), { blue: 4, red: 6 });
    await json("stop", "actor", "Dice", "--count", "1", "--annotations", "team=blue");
    assert.deepEqual(await scales(), { blue: 3, red: 6 });
    await json("update", "Dice", dice, "--force", "-a", "team=red");
    await json("stop", "actor", "Dice", "-a", "team=blue");
    assert.deepEqual(await scales(), { red: 6 });
    const none = await home.run(["stop", "actor", "Dice", "-a", "team=blue", "-o", "json"]);
    assert.deepEqual([none.code, failureOf(none).code], [3, "ACTOR_ABSENT"]);
    const wrong = await home.run(["stop", "provider", "wasmcloud:keyvalue", "-a", "team=blue", "-o", "json"]);
    assert.deepEqual([wrong.code, failureOf(wrong).code], [3, "PROVIDER_ABSENT"]);
    await json("stop", "actor", "Dice");
  });

  test("what is not waited for is a job, whose end can be waited for and tells what came of it", async () => {
    const begin = async (...words: string[]) => {
      const { stdout, code } = await home.run([...words, "--skip-wait", "-o", "name"]);
      assert.equal(code, 0);
      return stdout.trim();
    };
    const wait = (id: string) => home.run(["wait", "job", id, "--timeout", "60s", "-o", "json"]);
    const { job } = documentOf(await wait(await begin("start", "actor", dice)));
    const { state, verb, result } = job as { state: string; verb: string; result: { actor: { name: string } } };
    assert.deepEqual([state, verb, result.actor.name], ["done", "start.actor", "Dice"]);
    const older = await wait(await begin("update", "Dice", dice));
    assert.deepEqual([older.code, failureOf(older).code], [6, "REVISION_NOT_GREATER"]);
    documentOf(await wait(await begin("stop", "actor", "Dice")));
    assert.equal((await home.run(["wait", "actor", "Dice", "--for", "gone", "--timeout", "60s"])).code, 0);
    const { stdout } = await home.run(["start", "provider", "builtin:numbergen", "--skip-wait"]);
    assert.match(stdout, /lattice wait job [-0-9a-f]{36}$/m);
    documentOf(await wait(stdout.trim().split(" ").at(-1) ?? ""));
    documentOf(await wait(await begin("stop", "provider", "number")));
    const { jobs } = await json("get", "jobs");
    const shown = (jobs as { verb: string; state: string; error?: { code: string }; result?: object }[]).map((each) => [
      each.verb,
      each.state,
      each.error?.code,
      each.result,
    ]);
    assert.deepEqual(shown, [
      ["start.actor", "done", undefined, undefined],
      ["update", "failed", "REVISION_NOT_GREATER", undefined],
      ["stop.actor", "done", undefined, undefined],
      ["start.provider", "done", undefined, undefined],
      ["stop.provider", "done", undefined, undefined],
    ]);
    assert.match((await home.run(["get", "jobs"])).stdout, /^ID +VERB +STATE +STARTED +ENDED +ERROR$/m);
    const unknown = await wait("nothing");
    assert.deepEqual([unknown.code, failureOf(unknown).code], [3, "JOB_ABSENT"]);
    assert.equal((await home.run(["wait", "job"])).code, 2);
  });
});
