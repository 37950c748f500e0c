import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import type { ActorLogLine } from "../../host/engine-messages.ts";
import { LogBatch } from "../../host/log-batch.ts";
import { until } from "../support/until.ts";

function line(text: string, placement = "p1"): ActorLogLine {
  return { placement, actor: "counter", at: 1_000, level: "info", stream: "console", text };
}

function gathering(lines: number, everyMs = 20) {
  const sent: string[][] = [];
  const batch = new LogBatch({ lines, lineChars: 50, everyMs, send: (all) => sent.push(all.map(({ text }) => text)) });
  return { batch, sent };
}

test("the first line goes at once, those that follow soon go together", async () => {
  const { batch, sent } = gathering(10, 1_000);
  batch.add(line("first"));
  await turn();
  await turn();
  assert.deepEqual(sent, [["first"]]);
  batch.add(line("second"));
  batch.add(line("third"));
  await turn();
  assert.equal(sent.length, 1);
  await until(() => sent.length === 2);
  assert.deepEqual(sent[1], ["second", "third"]);
});

test("of an actor that floods the latest lines are passed on and the others counted; its neighbour loses none", () => {
  const { batch, sent } = gathering(3);
  batch.add(line("calm", "p2"));
  for (let n = 1; n <= 1_000; n++) batch.add(line(String(n)));
  batch.flush();
  assert.deepEqual(sent, [["calm", "997 lines came faster than they could be kept", "998", "999", "1000"]]);
});

test("a line is cut before it travels, and only once", () => {
  const { batch, sent } = gathering(3);
  batch.add(line("x".repeat(90)));
  const cut = `${"x".repeat(50)}... (40 more characters)`;
  batch.add(line(cut));
  batch.flush();
  assert.deepEqual(sent, [[cut, cut]]);
});

test("flushing what is empty sends nothing", () => {
  const { batch, sent } = gathering(3);
  batch.flush();
  assert.deepEqual(sent, []);
});
