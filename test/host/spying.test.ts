import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { type Host, startHost } from "../../host/index.ts";
import type { SpiedRow } from "../../host/spies.ts";
import { example } from "../support/examples.ts";
import { until } from "../support/until.ts";

const payload = Buffer.from(
  "85a66d6574686f64a3474554a470617468a22f61ab7175657279537472696e67a0a668656164657280a4626f6479c400",
  "hex",
);

async function counterHost(engines: number): Promise<{ host: Host; key: string }> {
  const host = await startHost({ engines, logLevel: "silent" });
  const path = example("kvcounter-rust");
  const counter = await host.startActor(await host.load(new Uint8Array(readFileSync(path)), path));
  const store = await host.startProvider("builtin:keyvalue-memory");
  await host.link(counter, store, { values: { prefix: "hidden-prefix" } });
  return { host, key: counter.id };
}

/** Watches while `work` runs; answers what was told once `enough`. */
async function spied(
  host: Host,
  key: string,
  payloads: boolean,
  work: () => Promise<unknown>,
  enough: number,
): Promise<SpiedRow[]> {
  const controller = new AbortController();
  const rows: SpiedRow[] = [];
  const reading = (async () => {
    for await (const row of host.spies.watch({ actor: key, payload: payloads }, controller.signal))
      if (!("missed" in row)) rows.push(row);
  })();
  await until(() => host.fleet.caller.dispatch.spy !== undefined);
  await work();
  await until(() => rows.length >= enough);
  controller.abort();
  await reading;
  return rows;
}

for (const engines of [0, 1]) {
  test(`calls of and to an actor are told once each, with ${engines} engines, and nobody looks afterwards`, async () => {
    const { host, key } = await counterHost(engines);
    await using _host = host;
    const rows = await spied(host, key, false, () => host.call(key, "HttpServer.HandleRequest", payload), 2);
    assert.deepEqual(rows.map(({ operation, where, outcome }) => `${operation} ${where} ${outcome}`).toSorted(), [
      "HttpServer.HandleRequest local ok",
      "KeyValue.Increment local ok",
    ]);
    assert.ok(rows.every((row) => row.payload === undefined));
    const asked = rows.find(({ operation }) => operation === "HttpServer.HandleRequest")!;
    assert.ok(asked.queue_ms! >= 0 && asked.guest_ms! > 0);
    assert.ok(asked.queue_ms! + asked.guest_ms! <= asked.ms + 0.01, "the parts of its time");
    assert.equal(rows.find((row) => row !== asked)!.guest_ms, undefined, "no guest answered that one");
    assert.ok(rows.every((row) => row.remote_ms === undefined && row.why_remote === undefined));
    await until(() => host.fleet.caller.dispatch.spy === undefined);
  });
}

test("what is shown of a call is cut at 1 KiB, its size is told whole; link values are never shown", async () => {
  const { host, key } = await counterHost(0);
  await using _host = host;
  const long = Buffer.alloc(5_000, 120);
  const work = async () => {
    await assert.rejects(host.call(key, "Nonsense", long));
    await host.link(key, "wasmcloud:keyvalue", { values: { prefix: "hidden-prefix-2" } });
    await host.call(key, "HttpServer.HandleRequest", payload);
  };
  const rows = await spied(host, key, true, work, 3);
  const cut = rows.find(({ operation }) => operation === "Nonsense");
  assert.equal(cut?.bytes, 5_000);
  assert.equal(Buffer.from(cut?.payload ?? "", "base64").length, 1_024);
  const all = rows.map((row) => Buffer.from(row.payload ?? "", "base64").toString("latin1")).join("");
  assert.doesNotMatch(all, /hidden-prefix/);
});
