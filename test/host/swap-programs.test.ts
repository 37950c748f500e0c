import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { memoryKeyvalue } from "../../capabilities/index.ts";
import {
  type ActorHandle,
  type Host,
  type HostOptions,
  KeyPair,
  type Provider,
  type ProviderCall,
  startHost,
} from "../../index.ts";
import { askHost, edgeActor } from "../support/edge.ts";
import { natsSkip, NatsServer } from "../support/nats-server.ts";
import {
  keptAll,
  opened,
  type Opened,
  patientLimits,
  programArchive,
  serveArchives,
  SteadyCount,
  twoHosts,
} from "../support/swapped-archives.ts";
import { isAlive } from "../support/unruly-child.ts";
import { until } from "../support/until.ts";

const contract = "wasmcloud:keyvalue";
const skip = natsSkip();
const patience = 60_000;
const folder = mkdtempSync(join(tmpdir(), "swapped-programs-"));
let server: NatsServer;
let files = 0;

before(async () => {
  if (skip === false) server = await NatsServer.start();
});
after(async () => {
  await server?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const fresh = (name: string) => join(folder, `${name}-${++files}`);
const options = (): HostOptions => ({
  nats: server.url,
  stateDirectory: folder,
  lattice: `programs-${++files}`,
  logLevel: "silent",
  limits: patientLimits,
});
const start = (more: HostOptions = {}) => startHost({ ...options(), ...more });

/** A store in this process that knows how many increments it was asked for. */
class Ours {
  increments = 0;
  readonly provider: Provider = memoryKeyvalue();

  constructor() {
    const handle = this.provider.handle.bind(this.provider);
    const count = (call: ProviderCall) => {
      this.increments++;
      return handle(call);
    };
    const { publicKey } = KeyPair.generate("service");
    Object.defineProperties(this.provider, { handle: { value: count }, key: { value: publicKey } });
  }
}

async function answerOf(host: Host, actor: ActorHandle, operation: string): Promise<string> {
  return Buffer.from(await host.call(actor, "Call", askHost(contract, operation))).toString();
}

test(
  "a program gives way to another version under its key, to ours, and comes back, and no call is lost",
  { skip },
  async () => {
    await using host = await start();
    const counts = fresh("counts");
    const config = { counts };
    const actor = await host.startActor(edgeActor());
    const store = await host.startProvider(opened(host, programArchive("1")), { config });
    await host.link(actor, store);
    await using load = new SteadyCount(host, actor);
    const ours = new Ours();
    const [second, third] = [opened(host, programArchive("2")), opened(host, programArchive("3"))];
    for (const next of [second, ours.provider, third]) {
      await load.more();
      keptAll(await host.swapProvider(store, next, { trialMs: 50, config }));
    }
    await load.more();
    assert.equal(await answerOf(host, actor, "Version"), "3");
    await load.end();
    assert.equal(statSync(counts).size + ours.increments, load.done, "each was run once");
    assert.ok(!isAlive(second.pid), "of the old one nothing is left");
    const { pid } = third;
    await host.stopProvider(store);
    await until(() => !isAlive(pid), patience);
  },
);

for (const [next, what] of [
  ["program", "another version under its key"],
  ["ours", "ours"],
] as const) {
  test(`a program serves again, with all that is counted, when ${what} is ill on trial`, { skip }, async () => {
    await using host = await start();
    const [counts, ill] = [fresh("counts"), fresh("ill")];
    const actor = await host.startActor(edgeActor());
    const store = await host.startProvider(opened(host, programArchive("1")), { config: { counts } });
    await host.link(actor, store);
    await using load = new SteadyCount(host, actor);
    await load.more();
    const ours = new Ours();
    let well = true;
    Object.defineProperty(ours.provider, "health", { value: () => ({ healthy: well, message: "it is ill" }) });
    const tried = next === "ours" ? ours.provider : opened(host, programArchive("2"));
    const steps: string[] = [];
    const swapping = host.swapProvider(store, tried, {
      trialMs: 600_000,
      config: next === "ours" ? {} : { counts, ill },
      onStep: ({ step }) => steps.push(step),
    });
    await until(() => steps.includes("trial"), patience);
    await load.more();
    if (next === "program") assert.equal(await answerOf(host, actor, "Version"), "2");
    well = false;
    writeFileSync(ill, "");
    const { outcome, reason, lost } = await swapping;
    assert.deepEqual([outcome, reason, lost], ["returned", "it is ill", 0]);
    await load.more();
    assert.equal(await answerOf(host, actor, "Version"), "1");
    await load.end();
    assert.equal(statSync(counts).size + ours.increments, load.done, "each was run once");
    if ("pid" in tried) assert.ok(!isAlive((tried as Opened).pid));
  });
}

test("a program that dies on trial takes the calls inside it along, and no others", { skip }, async () => {
  await using host = await start();
  const counts = fresh("counts");
  const config = { counts };
  const actor = await host.startActor(edgeActor());
  const first = opened(host, programArchive("1"));
  const store = await host.startProvider(first, { config });
  await host.link(actor, store);
  await using load = new SteadyCount(host, actor);
  await load.more();
  const second = opened(host, programArchive("2"));
  const steps: string[] = [];
  const swapping = host.swapProvider(store, second, {
    trialMs: 600_000,
    config,
    onStep: ({ step }) => steps.push(step),
  });
  await until(() => steps.includes("trial"), patience);
  await load.more();
  process.kill(second.pid!, "SIGKILL");
  const { outcome, reason } = await swapping;
  assert.equal(outcome, "returned");
  assert.match(reason ?? "", /Archived is gone/);
  await load.more();
  assert.equal(await answerOf(host, actor, "Version"), "1");
  assert.ok(isAlive(first.pid));
  // Of each caller at most the one that was on its way.
  await load.end(6);
  const counted = statSync(counts).size;
  assert.ok(counted >= load.done && counted <= load.done + 6, `${counted} of ${load.done}`);
});

test(
  "a call in a program ends there while the next version answers, and one that never ends is counted",
  { skip },
  async () => {
    await using host = await start({ limits: { ...patientLimits, drainMs: 20_000 } });
    const door = fresh("open");
    const actor = await host.startActor(edgeActor());
    const store = await host.startProvider(opened(host, programArchive("1")), { config: { open: door } });
    await host.link(actor, store);
    const waiting = host.call(actor, "Call", askHost(contract, "Wait"), { timeoutMs: patience });
    await until(async () => {
      const [figures] = await host.fleet.ask<"figures">({ type: "figures", id: store.instance });
      return figures?.inFlight === 1;
    }, patience);
    const second = opened(host, programArchive("2"));
    const steps: string[] = [];
    const swapping = host.swapProvider(store, second, { trialMs: 0, onStep: ({ step }) => steps.push(step) });
    await until(() => steps.includes("switched"), patience);
    assert.equal(await answerOf(host, actor, "Version"), "2");
    writeFileSync(door, "");
    assert.equal(Buffer.from(await waiting).toString(), "1");
    keptAll(await swapping);

    const spinning = host.call(actor, "Call", askHost(contract, "Spin"), { timeoutMs: patience }).catch(() => {});
    const id = () => [...host.wanted.providers.keys()][0]!;
    await until(async () => {
      const [figures] = await host.fleet.ask<"figures">({ type: "figures", id: id() });
      return figures?.inFlight === 1;
    }, patience);
    const { pid } = second;
    const { outcome, lost } = await host.swapProvider(store, opened(host, programArchive("3")), {
      trialMs: 0,
      drainMs: 50,
    });
    assert.deepEqual([outcome, lost], ["swapped", 1]);
    assert.equal(await answerOf(host, actor, "Version"), "3");
    await until(() => !isAlive(pid), patience);
    await spinning;
  },
);

for (const rpc of ["session", "wasmcloud"] as const) {
  test(
    `an actor on another host loses no call while programs, versions and ours take turns (${rpc})`,
    { skip },
    async () => {
      const [counts, ill] = [fresh("counts"), fresh("ill")];
      const config = { counts };
      await using hosts = await twoHosts((host) => opened(host, programArchive("1")), config, { ...options(), rpc });
      const { one, two, actor } = hosts;
      await using load = new SteadyCount(two, actor);
      const ours = new Ours();
      for (const next of [opened(one, programArchive("2")), ours.provider, opened(one, programArchive("3"))]) {
        await load.more();
        keptAll(await one.swapProvider(contract, next, { trialMs: 0, config }));
      }
      await load.more();
      const steps: string[] = [];
      const swapping = one.swapProvider(contract, opened(one, programArchive("4")), {
        trialMs: 600_000,
        config: { counts, ill },
        onStep: ({ step }) => steps.push(step),
      });
      await until(() => steps.includes("trial"), patience);
      await load.more();
      assert.equal(await answerOf(two, actor, "Version"), "4");
      writeFileSync(ill, "");
      assert.equal((await swapping).outcome, "returned");
      await load.more();
      assert.equal(await answerOf(two, actor, "Version"), "3");
      await load.end();
      assert.equal(statSync(counts).size + ours.increments, load.done, "each was run once");
    },
  );
}

test(
  "a program goes to another host, to its next version there, and comes back, and no call is lost",
  { skip },
  async () => {
    const counts = fresh("counts");
    const config = { counts };
    await using web = await serveArchives({ "1.par": programArchive("1"), "2.par": programArchive("2") });
    await using hosts = await twoHosts((host) => opened(host, programArchive("1")), config, options());
    const { one, two, actor } = hosts;
    await using load = new SteadyCount(two, actor);
    const to = (version: string, from: Host, host: Host) =>
      from.swapProvider(contract, `${web.url}/${version}.par`, { toHost: host.name, trialMs: 50, config });
    const steps: [string, Host, Host][] = [
      ["1", one, two],
      ["2", two, one],
    ];
    for (const [version, from, host] of steps) {
      await load.more();
      keptAll(await to(version, from, host));
      await load.more();
      assert.equal(await answerOf(two, actor, "Version"), version);
    }
    await load.end();
    assert.equal(statSync(counts).size, load.done, "each was run once");
  },
);
