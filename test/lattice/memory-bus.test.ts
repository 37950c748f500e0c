import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryBroker, memoryBus } from "../../lattice/index.ts";
import { busSuite } from "../contract/bus-suite.ts";
import { until } from "../support/until.ts";

busSuite("the bus in process", () => {
  const broker = new MemoryBroker();
  return { connect: (options) => broker.connect(options), close: () => {} };
});

test("a storm of messages leaves the event loop to others", async () => {
  await using bus = memoryBus();
  let count = 0;
  bus.subscribe("storm", () => {
    count++;
    bus.publish("storm", new Uint8Array());
  });
  bus.publish("storm", new Uint8Array());
  await until(() => count > 100);
});

test("the largest payload is what the options say", async () => {
  await using bus = memoryBus({ maxPayloadBytes: 10 });
  assert.doesNotThrow(() => bus.publish("a", new Uint8Array(10)));
  assert.throws(() => bus.publish("a", new Uint8Array(11)), { code: "PAYLOAD_TOO_LARGE" });
});

test("a handler's failure is a process warning where nobody listens for it", async () => {
  await using bus = memoryBus();
  const warned = new Promise<Error>((resolve) => {
    process.once("warning", resolve);
  });
  bus.subscribe("t", () => {
    throw new Error("spilled");
  });
  bus.publish("t", new Uint8Array());
  const warning = await warned;
  assert.equal(warning.name, "BusHandlerWarning");
  assert.match(warning.message, /of t failed: Error: spilled/);
});
