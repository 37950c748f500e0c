import assert from "node:assert/strict";
import { test } from "node:test";
import { MessageChannel } from "node:worker_threads";
import { type AnswerCall, Wire } from "../../host/wire.ts";
import { fail, localInvocation } from "../../lattice/index.ts";
import { until } from "../support/until.ts";

const nobody: AnswerCall = () => Promise.reject(fail("STOPPED", "the test"));

/** Two ends of a wire in this thread, and how many messages have come to the second. */
function wires(answer: AnswerCall) {
  const { port1, port2 } = new MessageChannel();
  const seen = { messages: 0 };
  port2.on("message", () => seen.messages++);
  const asking = new Wire(port1, 1, nobody);
  const answering = new Wire(port2, 0, answer);
  return { asking, seen, [Symbol.dispose]: () => (asking.close(), answering.close()) };
}

function call(payload: Uint8Array, operation = "Echo") {
  const deadline = performance.now() + 60_000;
  const origin = { kind: "operator", name: "test" } as const;
  return localInvocation(origin, { kind: "actor", key: "M" }, operation, payload, deadline, 0, undefined);
}

test("calls of one turn cross a wire in one message, and each gets the answer to its own payload", async () => {
  using both = wires(({ payload }) => Promise.resolve(payload));
  // Long ones and those that no longer fit beside the others have buffers of their own.
  const lengths = [100, 0, 5_000, 4_096, 1, 70_000, ...Array.from({ length: 20 }, (_, i) => 4_000 + i), 7];
  const payloads = lengths.map((length, at) => new Uint8Array(length).fill(at + 1));
  const answers = await Promise.all(payloads.map((payload) => both.asking.invoke(call(payload))));
  assert.deepEqual(answers, payloads);
  assert.equal(both.seen.messages, 1);
});

test("of calls that cross together one that fails takes no other with it", async () => {
  using both = wires(({ operation, payload }) =>
    operation === "Echo" ? Promise.resolve(payload) : Promise.reject(fail("ACTOR_ABSENT", "M")),
  );
  const payload = Uint8Array.of(1, 2, 3);
  const [first, refused, last] = await Promise.allSettled([
    both.asking.invoke(call(payload)),
    both.asking.invoke(call(payload, "Other")),
    both.asking.invoke(call(payload)),
  ]);
  assert.deepEqual(
    [first, last],
    Array.from({ length: 2 }, () => ({ status: "fulfilled", value: payload })),
  );
  assert.equal(refused.status === "rejected" && refused.reason.code, "ACTOR_ABSENT");
});

test("a payload may be used again once its call was made", async () => {
  using both = wires(({ payload }) => Promise.resolve(payload));
  for (const length of [8, 8_192]) {
    const payload = new Uint8Array(length);
    const answers = await Promise.all([1, 2, 3].map((value) => both.asking.invoke(call(payload.fill(value)))));
    const ends = answers.map((answer) => [answer[0], answer.at(-1)]);
    assert.deepEqual(ends, [
      [1, 1],
      [2, 2],
      [3, 3],
    ]);
  }
});

test("what was packed still goes when a wire is closed, and what waits fails", async () => {
  let came = 0;
  using both = wires(() => (came++, new Promise(() => {})));
  const lost = both.asking.invoke(call(Uint8Array.of(1)));
  both.asking.close();
  await assert.rejects(lost, { code: "ENGINE_LOST" });
  await assert.rejects(both.asking.invoke(call(Uint8Array.of(1))), { code: "ENGINE_LOST" });
  await until(() => came === 1);
});
