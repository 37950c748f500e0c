/** The life of a provider as a state machine: whatever is done in whatever order, it is what the model says. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { type ActorHandle, type Host, type Provider, type ProviderHandle, startHost } from "../../index.ts";
import { askHost, edgeActor } from "../support/edge.ts";
import { until } from "../support/until.ts";

const get = askHost("wasmcloud:keyvalue");

interface Model {
  provider: { name: string; state: "running" | "draining" | "crashed" } | undefined;
  /** Value of the link, when there is one. */
  link: string | undefined;
}

/** A provider that answers its name and the value of the link, and counts its own life. */
class Probe implements Provider {
  readonly contractId = "wasmcloud:keyvalue";
  readonly name: string;
  alive = true;
  starts = 0;
  stops = 0;
  calls = 0;
  failing = false;

  constructor(name: string) {
    this.name = name;
  }

  start(): void {
    this.starts++;
  }

  handle({ link }: Parameters<Provider["handle"]>[0]): Uint8Array {
    this.calls++;
    assert.ok(this.stops === 0, "asked after it was stopped");
    if (!this.alive || this.failing) throw new Error("it fell");
    return Buffer.from(`${this.name} ${link.values["at"]}`);
  }

  health(): { healthy: boolean } {
    return { healthy: this.alive };
  }

  async stop(): Promise<void> {
    this.stops++;
  }
}

/** The real thing, with every provider that was ever made. */
class Real {
  readonly host: Host;
  readonly actor: ActorHandle;
  readonly all: Probe[] = [];
  handle: ProviderHandle | undefined;
  current: Probe | undefined;

  constructor(host: Host, actor: ActorHandle) {
    this.host = host;
    this.actor = actor;
  }

  probe(name: string): Probe {
    const made = new Probe(name);
    this.all.push(made);
    return made;
  }

  async ask(): Promise<string> {
    return Buffer.from(await this.host.call(this.actor, "Call", get)).toString();
  }

  /** Whatever is not the provider of now was stopped once, however it ended; nothing is left of it. */
  check({ provider, link }: Model): void {
    const { wanted, fleet } = this.host;
    for (const each of this.all) assert.equal(each.stops, each === this.current ? 0 : 1, `stops of ${each.name}`);
    assert.deepEqual(
      [...wanted.providers.values()].map(({ spec }) => spec.name),
      provider ? [provider.name] : [],
    );
    assert.equal(wanted.links.size, link === undefined ? 0 : 1);
    assert.equal(fleet.objects.size, provider ? 1 : 0);
    assert.equal(fleet.caller.tables.providers.size, provider ? 1 : 0);
    const expected = provider && link !== undefined ? [provider.name] : [];
    const links = [...fleet.caller.tables.links.values()];
    assert.deepEqual(
      links.flatMap((row) => row.provider?.spec.name ?? []),
      expected,
    );
  }
}

type Step = fc.AsyncCommand<Model, Real>;

function step(name: string, check: (model: Model) => boolean, run: (model: Model, real: Real) => Promise<void>): Step {
  return {
    check: (model) => check(model),
    run: async (model, real) => {
      await run(model, real);
      real.check(model);
    },
    toString: () => name,
  };
}

const start = (name: string) =>
  step(
    `start ${name}`,
    ({ provider }) => !provider,
    async (model, real) => {
      real.current = real.probe(name);
      real.handle = await real.host.startProvider(real.current);
      model.provider = { name, state: "running" };
    },
  );

const link = (at: string) =>
  step(
    `link ${at}`,
    ({ provider }) => provider !== undefined,
    async (model, real) => {
      await real.host.link(real.actor, real.handle!, { values: { at } });
      model.link = at;
    },
  );

const unlink = step(
  "unlink",
  ({ link: held }) => held !== undefined,
  async (model, real) => {
    await real.host.unlink(real.actor, "wasmcloud:keyvalue");
    model.link = undefined;
  },
);

const call = step(
  "call",
  () => true,
  async ({ provider, link: at }, real) => {
    const before = real.current?.calls ?? 0;
    const answer = await real.ask();
    if (!provider || at === undefined) assert.match(answer, /missing link definition/);
    else if (provider.state === "draining") assert.match(answer, new RegExp(`${provider.name} is draining`));
    else if (provider.state === "crashed") assert.match(answer, /it fell|is down/);
    else assert.equal(answer, `${provider.name} ${at}`);
    if (provider?.state === "running" && at !== undefined) assert.equal(real.current!.calls, before + 1, "once");
  },
);

const swap = (name: string) =>
  step(
    `swap for ${name}`,
    ({ provider }) => provider !== undefined,
    async (model, real) => {
      const next = real.probe(name);
      await real.host.swapProvider(real.handle!, next, { trialMs: 0, drainMs: 100 });
      real.current = next;
      model.provider = { name, state: "running" };
    },
  );

const refusedSwap = step(
  "swap refused",
  ({ provider }) => provider !== undefined,
  async (_model, real) => {
    const next = Object.assign(real.probe("refused"), { start: () => assert.fail("no room") });
    await assert.rejects(real.host.swapProvider(real.handle!, next), { code: "SWAP_REFUSED" });
  },
);

const returnedSwap = step(
  "swap returned",
  ({ provider, link: at }) => provider?.state === "running" && at !== undefined,
  async ({ provider, link: at }, real) => {
    const next = real.probe("bad");
    next.failing = true;
    const swapping = real.host.swapProvider(real.handle!, next, { trialMs: 60_000, drainMs: 100 });
    await until(() => [...real.host.wanted.providers.values()][0]?.spec.name === "bad");
    assert.match(await real.ask(), /it fell/);
    assert.equal(await real.ask(), `${provider!.name} ${at}`);
    assert.equal((await swapping).outcome, "returned");
  },
);

const crash = step(
  "crash",
  ({ provider }) => provider?.state === "running",
  async (model, real) => {
    real.current!.alive = false;
    model.provider!.state = "crashed";
  },
);

const recover = step(
  "recover",
  ({ provider, link: at }) => provider?.state === "crashed" && at !== undefined,
  async (model, real) => {
    real.current!.alive = true;
    model.provider!.state = "running";
    await until(async () => (await real.ask()) === `${model.provider!.name} ${model.link}`);
  },
);

const drain = step(
  "drain",
  ({ provider }) => provider?.state === "running",
  async (model, real) => {
    await real.host.drainProvider(real.handle!);
    model.provider!.state = "draining";
  },
);

const stop = step(
  "stop",
  ({ provider }) => provider !== undefined,
  async (model, real) => {
    await real.host.stopProvider(real.handle!);
    real.current = undefined;
    model.provider = undefined;
    // Nobody could ever stand behind them again: its key was made up.
    model.link = undefined;
  },
);

const name = fc.constantFrom("red", "green", "blue");

test("start, link, relink, call, swap, crash, drain and stop in any order are what the model says", async () => {
  const commands = fc.commands(
    [
      name.map(start),
      fc.constantFrom("1", "2").map(link),
      fc.constantFrom(unlink, call, refusedSwap, returnedSwap, crash, recover, drain, stop),
      fc.constant(call),
      name.map(swap),
    ],
    { maxCommands: 40, size: "max" },
  );
  await fc.assert(
    fc.asyncProperty(commands, async (steps) => {
      await using host = await startHost({ logLevel: "silent", limits: { drainMs: 100 } });
      const actor = await host.startActor(edgeActor());
      const setup = () => ({ model: { provider: undefined, link: undefined } as Model, real: new Real(host, actor) });
      await fc.asyncModelRun(setup, steps);
    }),
    { numRuns: 40, endOnFailure: false },
  );
});
