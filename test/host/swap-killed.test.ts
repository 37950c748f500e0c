import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type Host, type HostOptions, KeyPair, startHost, type SwapStepName } from "../../index.ts";
import type { Killed } from "../support/killed-in-swap.ts";
import { natsSkip, NatsServer } from "../support/nats-server.ts";
import { until } from "../support/until.ts";

const program = fileURLToPath(new URL("../support/killed-in-swap.ts", import.meta.url));
const skip = natsSkip();
const folder = mkdtempSync(join(tmpdir(), "lattice-killed-"));
let server: NatsServer;
let runs = 0;

before(async () => {
  if (skip === false) server = await NatsServer.start();
});
after(async () => {
  await server?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** Kills a host in the middle of a swap, and starts the next one under its key. */
async function killed(swap: Omit<Killed, "options">, more: HostOptions = {}): Promise<Host> {
  const options: HostOptions = {
    ...more,
    stateDirectory: join(folder, String(++runs)),
    hostSeed: KeyPair.generate("server").seed,
    remember: true,
    logLevel: "silent",
  };
  const { signal, stderr } = spawnSync(process.execPath, [program, JSON.stringify({ ...swap, options })], {
    encoding: "utf8",
    timeout: 60_000,
  });
  assert.equal(signal, "SIGKILL", stderr);
  return await startHost(options);
}

const told = (host: Host) => host.events.recent().find(({ type }) => type === "swap_interrupted")?.data["stands"];
const running = (host: Host) =>
  [...host.wanted.providers.values()].map(({ reference, spec }) => [reference, spec.config["path"]]);

const memory = "builtin:keyvalue-memory";
const sqlite = "builtin:keyvalue-sqlite";
const path = (name: string) => join(folder, `${name}.db`);

/** Who stands when a swap that stays is cut off at a step. */
const stands = {
  started: "old",
  healthy: "old",
  copying: "old",
  copied: "old",
  switched: "new",
  trial: "new",
  kept: "new",
  drained: "new",
} as const satisfies Partial<Record<SwapStepName, "old" | "new">>;

for (const [at, wanted] of Object.entries(stands) as [SwapStepName, "old" | "new"][]) {
  test(`after a kill at step ${at} of a swap that changes settings alone, ${wanted} is told and runs`, async () => {
    const [old, next] = [path(`${at}-old`), path(`${at}-new`)];
    await using host = await killed({ from: sqlite, to: `sqlite:${next}`, config: { path: old }, copyState: true, at });
    assert.deepEqual([told(host), running(host)], [wanted, [[sqlite, wanted === "new" ? next : old]]]);
    const [link] = [...host.wanted.links.values()];
    assert.equal(link?.spec.providerId, [...host.wanted.providers.keys()][0], "its link is served");
  });
}

for (const at of ["copied", "switched", "kept"] as const) {
  test(`after a kill at step ${at} of a swap to another implementation, who stood runs behind the link`, async () => {
    const file = path(`other-${at}`);
    await using host = await killed({ from: memory, to: `sqlite:${file}`, config: {}, copyState: true, at });
    const wanted = stands[at];
    assert.deepEqual([told(host), running(host)], [wanted, [wanted === "new" ? [sqlite, file] : [memory, undefined]]]);
    const [link] = [...host.wanted.links.values()];
    assert.equal(link?.spec.providerId, [...host.wanted.providers.keys()][0], "its link is served");
    await host.stop();
    const { config } = host;
    await using again = await startHost({
      stateDirectory: config.stateDirectory,
      hostSeed: config.hostSeed,
      remember: true,
      logLevel: "silent",
    });
    assert.deepEqual([told(again), running(again)], [undefined, running(host)], "said once, and remembered");
  });
}

test("after a kill while a swap that failed its trial goes back, the old one runs", async () => {
  const file = path("returned");
  await using host = await killed({
    from: sqlite,
    to: "object",
    config: { path: file },
    copyState: false,
    at: "returned",
  });
  assert.deepEqual(running(host), [[sqlite, file]]);
});

for (const at of ["healthy", "switched"] as const) {
  test(
    `after a kill at step ${at} of a swap of archives, who stood runs behind the link that the lattice keeps`,
    { skip },
    async () => {
      const more = { nats: server.url, lattice: `killed-${at}`, clusterSeed: KeyPair.generate("cluster").seed };
      await using host = await killed(
        { from: "archive:one", to: "archive:two", config: {}, copyState: false, at },
        more,
      );
      assert.deepEqual(
        [told(host), running(host)],
        [stands[at], [[stands[at] === "new" ? "archive:two" : "archive:one", undefined]]],
      );
      await until(
        () => [...host.wanted.links.values()][0]?.spec.providerId === [...host.wanted.providers.keys()][0],
        30_000,
      );
    },
  );
}
