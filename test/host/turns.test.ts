import assert from "node:assert/strict";
import { test } from "node:test";
import { Turns } from "../../host/turns.ts";

test("work of one key is done in order, whatever becomes of it; other keys do not wait", async () => {
  const turns = new Turns();
  const done: string[] = [];
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const slow = turns.take("a", async () => {
    await released;
    done.push("slow");
    throw new Error("and fails");
  });
  const next = turns.take("a", async () => done.push("next"));
  await turns.take("b", async () => done.push("other key"));
  assert.deepEqual(done, ["other key"]);
  release();
  await assert.rejects(slow, /and fails/);
  assert.equal(await next, 3);
  assert.deepEqual(done, ["other key", "slow", "next"]);
});
