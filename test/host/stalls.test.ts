/** Provider objects that hold the host's own thread: nobody can end them, so they are named. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { startHost } from "../../index.ts";
import { describeOf } from "../support/described.ts";
import { askHost, edgeActor } from "../support/edge.ts";
import { until } from "../support/until.ts";

const contract = "wasmcloud:keyvalue";
const patient = 60_000;

function hold(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

test("one that held the host's thread and let go is named by an event, counted, and serves on", async () => {
  await using host = await startHost({ logLevel: "silent", limits: { providerSilenceMs: 500 } });
  const actor = await host.startActor(edgeActor());
  const handle = await host.startProvider({
    contractId: contract,
    name: "greedy",
    handle: ({ operation, payload }) => {
      if (operation === "hold") hold(1_500);
      return payload.slice();
    },
  });
  await host.link(actor, handle);
  const ask = async (operation: string) =>
    Buffer.from(await host.call(actor, "Call", askHost(contract, operation, "hello"))).toString();
  const stalls = () => host.events.recent().filter(({ type }) => type === "provider_stalled");
  // Whoever watches may not be up yet.
  await until(async () => (await ask("hold")) === "hello" && stalls().length > 0, patient);
  const { name, reason } = stalls()[0]!.data;
  assert.equal(name, "greedy");
  assert.match(String(reason), /it held the host's thread for \d+ ms, in handle/);
  const { provider } = await describeOf(host, handle.id);
  assert.deepEqual([provider.state, provider.faults > 0], ["running", true]);
  assert.equal(await ask("echo"), "hello");
});

for (const [how, line] of [
  [
    "handle",
    /provider greedy has held the host's thread for \d+ ms, in handle, at spinning \(.*stalled-host\.ts:\d+\)/,
  ],
  [
    "await",
    /the host's thread has been held for \d+ ms by none of the calls.*, at spinning \(.*stalled-host\.ts:\d+\)/,
  ],
] as const) {
  test(`while one holds the host's thread for good the log says who and where (${how})`, async () => {
    const entry = fileURLToPath(new URL("../support/stalled-host.ts", import.meta.url));
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const host = spawn(process.execPath, [entry, how], { stdio: ["ignore", "inherit", "pipe"], env });
    let told = "";
    host.stderr.setEncoding("utf8").on("data", (text: string) => (told += text));
    try {
      await until(() => line.test(told), patient);
    } finally {
      host.kill("SIGKILL");
    }
  });
}
