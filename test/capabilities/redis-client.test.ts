import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { loadClient, pieces } from "../../capabilities/keyvalue-redis/load-client.ts";

const require = createRequire(import.meta.url);

test("the Redis client comes in pieces, and each of them is in the version that is installed", async () => {
  assert.equal(typeof (await loadClient()), "function");
  for (const piece of pieces) assert.doesNotThrow(() => require.resolve(piece), piece);
});

test("calls go on between the pieces of the Redis client", async () => {
  let turns = 0;
  const count = (): void => {
    turns++;
    next = setImmediate(count);
  };
  let next = setImmediate(count);
  await loadClient();
  clearImmediate(next);
  assert.ok(turns >= pieces.length, `${turns} turns`);
});
