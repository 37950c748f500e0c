import assert from "node:assert/strict";
import { test } from "node:test";
import { type Host, inventory, startHost } from "../../host/index.ts";
import { KeyPair } from "../../lattice/index.ts";
import { obedient, signed } from "../support/actors.ts";
import { guestBytes } from "../support/guest-corpus.ts";
import { assemble } from "../support/guests.ts";
import { until } from "../support/until.ts";

/** Answers every operation with the same bytes, which are what it says of its health. */
function answering(reply: string, trapsWhenAskedHow = false): Uint8Array {
  const bytes = Buffer.from(reply, "latin1");
  const data = [...bytes].map((byte) => `\\${byte.toString(16).padStart(2, "0")}`).join("");
  // "HealthRequest" begins with H, as no operation does that these tests call.
  const trap = trapsWhenAskedHow
    ? `(if (i32.eq (i32.load8_u (i32.const 1024)) (i32.const 72)) (then (unreachable)))`
    : "";
  return assemble(`(module
    (import "wapc" "__guest_request" (func $request (param i32 i32)))
    (import "wapc" "__guest_response" (func $respond (param i32 i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "${data}")
    (func (export "__guest_call") (param i32 i32) (result i32)
      (call $request (i32.const 1024) (i32.const 4096))
      ${trap}
      (call $respond (i32.const 0) (i32.const ${bytes.length}))
      (i32.const 1)))`);
}
const ill = answering("\x82\xa7healthy\xc2\xa7message\xa3ill");

async function rowOf(host: Host, name: string) {
  const { actors } = await inventory(host);
  return actors.find((actor) => actor.name === name)!.instances[0]!;
}

for (const engines of [0, 1]) {
  test(`an actor that says it is not well is shown so, and its calls go on (${engines} engines)`, async () => {
    await using host = await startHost({ engines, limits: { healthMs: 20 }, logLevel: "silent" });
    const actor = await host.startActor(await host.load(signed(ill, { name: "Ill" }), "ill"));
    await until(async () => !(await rowOf(host, "Ill")).healthy);
    await host.call(actor, "Any", new Uint8Array());
    const { healthy, message, calls, errors } = await rowOf(host, "Ill");
    assert.deepEqual([healthy, message, calls, errors], [false, "ill", 1, 0]);
  });
}

test("an actor without a handler is well, and nothing of being asked is counted", async () => {
  await using host = await startHost({ engines: 0, limits: { healthMs: 20 }, logLevel: "silent" });
  const reports: string[] = [];
  for (const [name, bytes] of [
    ["Edge", obedient({ name: "Edge" })],
    ["E2", signed(guestBytes("e2"), { name: "E2" })],
    ["E4", signed(guestBytes("e4"), { name: "E4" })],
    ["Ill", signed(ill, { name: "Ill" })],
  ] as const) {
    await host.startActor(await host.load(bytes, name));
    reports.push(name);
  }
  // They were asked in this order.
  await until(async () => !(await rowOf(host, "Ill")).healthy);
  for (const name of reports.slice(0, -1)) {
    const { healthy, message, calls, errors, running } = await rowOf(host, name);
    assert.deepEqual([name, healthy, message, calls, errors, running], [name, true, "", 0, 0, 1]);
  }
});

test("one that breaks when it is asked is left alone, and works", async () => {
  await using host = await startHost({ engines: 0, limits: { healthMs: 20 }, logLevel: "silent" });
  const bytes = signed(answering("x", true), { name: "Brittle" });
  const actor = await host.startActor(await host.load(bytes, "brittle"));
  await until(async () => (await rowOf(host, "Brittle")).running === 0);
  assert.equal(Buffer.from(await host.call(actor, "Any", new Uint8Array())).toString(), "x");
  await host.startActor(await host.load(signed(ill, { name: "Ill" }), "ill"));
  await until(async () => !(await rowOf(host, "Ill")).healthy);
  const { healthy, running, calls, errors } = await rowOf(host, "Brittle");
  assert.deepEqual([healthy, running, calls, errors], [true, 1, 1, 0]);
});

test("an update to a module that says it is not well is refused, one that breaks when asked is not", async () => {
  await using host = await startHost({ engines: 0, logLevel: "silent" });
  const module = KeyPair.generate("module");
  const actor = await host.startActor(await host.load(obedient({ name: "Updated", module }), "first"));
  const next = (bytes: Uint8Array, revision: number) =>
    host.load(signed(bytes, { name: "Updated", module, revision }), `revision ${revision}`);
  await assert.rejects(host.updateActor(actor, await next(ill, 2)), {
    code: "UPDATE_REFUSED",
    message: "Updated is not updated: the new module says that it is not well: ill",
  });
  assert.equal(Buffer.from(await host.call(actor, "Echo", Buffer.from("as before"))).toString(), "as before");
  await host.updateActor(actor, await next(answering("new", true), 3));
  assert.equal(Buffer.from(await host.call(actor, "Any", new Uint8Array())).toString(), "new");
});
