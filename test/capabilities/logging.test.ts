import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "../support/fast-check.ts";
import { Packr } from "msgpackr";
import { actorLogging } from "../../capabilities/index.ts";
import { isLatticeError } from "../../lattice/index.ts";
import { loggingSuite } from "../../testing/index.ts";
import { fakeCall, fakeContext, hex } from "../support/capabilities.ts";

const packr = new Packr({ useRecords: false, variableMapSize: true });

loggingSuite("ours", () => ({ provider: actorLogging() }));

test("the host learns who wrote the line", async () => {
  const context = fakeContext();
  const logging = actorLogging();
  await logging.start?.(context);
  const call = fakeCall("E4", "Logging.WriteLog", packr.pack({ level: "info", text: "x" }));
  await logging.handle(call);
  assert.equal(context.actorLog[0]?.call, call);
});

test("random bytes give a line or a named error", async () => {
  const logging = actorLogging();
  await logging.start?.(fakeContext());
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (payload) => {
      try {
        assert.equal(hex(logging.handle(fakeCall("E3", "WriteLog", payload)) as Uint8Array), "");
      } catch (error) {
        assert.ok(isLatticeError(error), String(error));
      }
    }),
    { numRuns: 1_000 },
  );
});
