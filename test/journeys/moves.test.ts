/** Providers that go to another host, in processes that are killed on the way. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, test } from "node:test";
import { type Host, type HostOptions, KeyPair, startHost } from "../../index.ts";
import { askHost, edgeActor } from "../support/edge.ts";
import { natsSkip, NatsServer } from "../support/nats-server.ts";
import { until } from "../support/until.ts";

const skip = natsSkip();
const patience = 60_000;
const library = new URL("../../index.ts", import.meta.url).href;
const reference = "builtin:keyvalue-memory";
const running = (host: Host) => [...host.wanted.providers.values()].map((each) => each.reference);

/** A host in a process of its own that tells each event as a line; killed with whoever holds it. */
class Killable implements AsyncDisposable {
  readonly events: Record<string, unknown>[] = [];
  readonly #child: ChildProcess;

  constructor(options: HostOptions, script: string) {
    const program = `
      import { startHost } from ${JSON.stringify(library)};
      const host = await startHost(${JSON.stringify(options)});
      const tell = (event) => console.log(JSON.stringify(event));
      for (const event of host.events.recent()) tell(event);
      host.events.subscribe(tell);
      const peer = async () => {
        while (!host.member.peers.some(({ draining }) => !draining)) await new Promise((wake) => setTimeout(wake, 10));
      };
      const killAt = (step) => ({ onStep: (now) => { if (now.step === step) process.kill(process.pid, "SIGKILL"); } });
      tell({ type: "ready" });
      ${script}
    `;
    this.#child = spawn(process.execPath, ["--input-type=module", "-e", program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    createInterface({ input: this.#child.stdout! }).on("line", (line) => this.events.push(JSON.parse(line)));
  }

  async said(type: string): Promise<Record<string, unknown>> {
    return await until(() => this.events.find((event) => event["type"] === type), patience);
  }

  async gone(): Promise<void> {
    await until(() => this.#child.signalCode !== null || this.#child.exitCode !== null, patience);
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.gone();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exit = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await exit;
  }
}

/** A server, one host here, and what another one in a process of its own is started with. */
async function world(): Promise<{
  readonly here: Host;
  readonly hereOptions: HostOptions;
  readonly thereOptions: HostOptions;
  readonly hereId: string;
  readonly thereId: string;
  [Symbol.asyncDispose](): Promise<void>;
}> {
  const resources = new AsyncDisposableStack();
  const server = resources.use(await NatsServer.start());
  const folder = mkdtempSync(join(tmpdir(), "lattice-moves-"));
  resources.defer(() => rmSync(folder, { recursive: true, force: true }));
  const keys = [KeyPair.generate("server"), KeyPair.generate("server")] as const;
  const common = { nats: server.url, clusterSeed: KeyPair.generate("cluster").seed };
  const [hereOptions, thereOptions] = keys.map((key, at) => ({
    ...common,
    hostSeed: key.seed,
    stateDirectory: join(folder, String(at)),
    remember: true,
    logLevel: "silent",
  })) as [HostOptions, HostOptions];
  const here = resources.use(await startHost(hereOptions));
  return {
    here,
    hereOptions,
    thereOptions,
    hereId: keys[0].publicKey,
    thereId: keys[1].publicKey,
    [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
  };
}

const moveAndDie = (to: string, step: string, options = "") => `
  await host.startProvider(${JSON.stringify(reference)});
  await peer();
  await host.swapProvider("keyvalue", undefined, { toHost: ${JSON.stringify(to)}, ...killAt(${JSON.stringify(step)}) ${options} });
`;

describe("hosts that are killed on the way", { skip, concurrency: true }, () => {
  test("a host that is killed before the switch comes back with its provider, and the other one gives up", async () => {
    await using lattice = await world();
    const { here, thereOptions, hereId } = lattice;
    await using first = new Killable(thereOptions, moveAndDie(hereId, "healthy"));
    await first.gone();
    assert.deepEqual(running(here), []);
    assert.equal(here.fleet.caller.tables.providers.size, 1, "it is ready here, and nobody's to call");
    await using again = new Killable(thereOptions, "");
    const told = (await again.said("swap_interrupted"))["data"] as Record<string, unknown>;
    assert.equal(told["stands"], "old");
    await again.said("provider_started");
    await until(() => here.fleet.caller.tables.providers.size === 0, patience);
    assert.deepEqual(running(here), []);
  });

  test("a host that is killed after the switch comes back without the provider, which serves on the other", async () => {
    await using lattice = await world();
    const { here, thereOptions, hereId } = lattice;
    await using first = new Killable(thereOptions, moveAndDie(hereId, "switched"));
    await first.gone();
    await using again = new Killable(thereOptions, "");
    const told = (await again.said("swap_interrupted"))["data"] as Record<string, unknown>;
    assert.equal(told["stands"], "new");
    await again.said("ready");
    assert.ok(!again.events.some(({ type }) => type === "provider_started"));
    assert.deepEqual(running(here), [reference]);
    const actor = await here.startActor(edgeActor());
    await here.link(actor, "keyvalue");
    const reply = await here.call(actor, "Call", askHost("wasmcloud:keyvalue"));
    assert.doesNotMatch(Buffer.from(reply).toString("latin1"), /provider/);
  });

  test("a host that is killed while its new provider is on trial finds out that the old one serves again", async () => {
    await using lattice = await world();
    const { here, thereOptions, thereId } = lattice;
    await here.startProvider(reference);
    await using first = new Killable(thereOptions, "");
    await until(() => here.member?.peers.some(({ draining }) => !draining), patience);
    let trial = false;
    const swapping = here.swapProvider("keyvalue", undefined, {
      toHost: thereId,
      trialMs: 600_000,
      onStep: ({ step }) => (trial ||= step === "trial"),
    });
    await until(() => trial, patience);
    assert.deepEqual(running(here), []);
    await first.kill();
    assert.equal((await swapping).outcome, "returned");
    assert.deepEqual(running(here), [reference]);
    await using again = new Killable(thereOptions, "");
    const told = (await again.said("swap_interrupted"))["data"] as Record<string, unknown>;
    assert.equal(told["stands"], "old");
    await again.said("ready");
    assert.ok(!again.events.some(({ type }) => type === "provider_started"));
  });
});
