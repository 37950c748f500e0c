import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { Packr } from "msgpackr";
import { type LogRecord, actorLogging } from "../../capabilities/index.ts";
import { type Era, isLatticeError } from "../../lattice/index.ts";
import { bytes, fakeCall, fakeContext, hex } from "../support/capabilities.ts";

const packr = new Packr({ useRecords: false, variableMapSize: true });

async function logged(era: Era, operation: string, payload: Uint8Array): Promise<LogRecord | undefined> {
  const context = fakeContext();
  const logging = actorLogging();
  await logging.start?.(context);
  assert.equal((await logging.handle(fakeCall(era, operation, payload))).length, 0, "the answer is empty");
  return context.actorLog[0]?.record;
}

test("a line of each era keeps its level, text and target", async () => {
  // Source: waPC and actors reference, section 11.5.
  const rows: [Era, string, string, LogRecord][] = [
    ["E2", "WriteLog", "82a56c6576656c03a4626f6479a568656c6c6f", { level: "info", text: "hello" }],
    [
      "E3",
      "WriteLog",
      "83a6746172676574a36b7663a56c6576656ca4 7761726ea474657874a568656c6c6f",
      { level: "warn", text: "hello", target: "kvc" },
    ],
    ["E4", "Logging.WriteLog", "82a56c6576656ca56465627567a474657874a568656c6c6f", { level: "debug", text: "hello" }],
    ["E2", "WriteLog", "9205a568656c6c6f00", { level: "trace", text: "hello" }],
  ];
  for (const [era, operation, payload, record] of rows)
    assert.deepEqual(await logged(era, operation, bytes(payload)), record, era);
});

test("levels of every era are known; others count as information", async () => {
  const numbers: [number, string][] = [
    [1, "error"],
    [2, "warn"],
    [3, "info"],
    [4, "debug"],
    [5, "trace"],
    [0, "info"],
    [9, "info"],
  ];
  for (const [level, expected] of numbers) {
    assert.equal((await logged("E2", "WriteLog", packr.pack({ level, body: "x" })))?.level, expected, String(level));
  }
  const names = ["trace", "debug", "info", "warn", "error", "critical"];
  for (const level of names) {
    assert.equal((await logged("E4", "Logging.WriteLog", packr.pack({ level, text: "x" })))?.level, level);
  }
  assert.equal((await logged("E4", "Logging.WriteLog", packr.pack({ level: "WARN", text: "x" })))?.level, "warn");
  for (const level of ["loud", "__proto__", "constructor", ""]) {
    assert.equal((await logged("E4", "Logging.WriteLog", packr.pack({ level, text: "x" })))?.level, "info", level);
  }
});

test("the host learns who wrote the line", async () => {
  const context = fakeContext();
  const logging = actorLogging();
  await logging.start?.(context);
  const call = fakeCall("E4", "Logging.WriteLog", packr.pack({ level: "info", text: "x" }));
  await logging.handle(call);
  assert.equal(context.actorLog[0]?.call, call);
});

test("a line that cannot be read, or another operation, is refused by name", async () => {
  await assert.rejects(logged("E4", "Logging.WriteLog", bytes("82a5")), {
    code: "PAYLOAD_MALFORMED",
    message: /Logging\.WriteLog/,
  });
  await assert.rejects(logged("E4", "Logging.Read", bytes("80")), { code: "OPERATION_UNKNOWN" });
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
