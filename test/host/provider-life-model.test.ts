/** The life of a provider as a state machine: whatever is done in whatever order, it is what the model says. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "../support/fast-check.ts";
import { type ActorHandle, type Host, type ProviderHandle, startHost } from "../../index.ts";
import { askHost, edgeActor } from "../support/edge.ts";
import { type Probe, probe, type ProbeKind } from "../support/probes.ts";
import { until } from "../support/until.ts";

const get = askHost("wasmcloud:keyvalue");
const patienceMs = 60_000;
/** The orders that are tried are the same each time; another seed finds others. */
const seed = Number(process.env["MODEL_SEED"] ?? 5);

interface Model {
  /** `falling`: it has fallen and will be back by itself, nobody knows when. */
  provider: { name: string; kind: ProbeKind; state: "running" | "draining" | "crashed" | "falling" } | undefined;
  /** Value of the link, when there is one. */
  link: string | undefined;
}

/** The real thing, with every provider that was ever made. */
class Real {
  readonly host: Host;
  readonly actor: ActorHandle;
  readonly all: Probe[] = [];
  readonly former: string[] = [];
  handle: ProviderHandle | undefined;
  current: Probe | undefined;

  constructor(host: Host, actor: ActorHandle) {
    this.host = host;
    this.actor = actor;
  }

  async probe(kind: ProbeKind, name: string, refuses = false): Promise<Probe> {
    const made = await probe(kind, name, refuses);
    this.all.push(made);
    return made;
  }

  async ask(): Promise<string> {
    return Buffer.from(await this.host.call(this.actor, "Call", get, { timeoutMs: patienceMs })).toString();
  }

  async link(at: string): Promise<void> {
    await this.host.link(this.actor, this.handle!, { values: { at } });
  }

  /** Name of the one that serves. */
  get serving(): string | undefined {
    return [...this.host.wanted.providers.values()][0]?.spec.name;
  }

  /** Whatever is not the provider of now is gone, however it ended; no engine knows anything of it. */
  async check({ provider, link }: Model): Promise<void> {
    const { wanted, fleet } = this.host;
    for (const each of this.all) {
      if (each === this.current && provider?.state === "falling") continue;
      await each.settled(each === this.current);
    }
    assert.deepEqual(
      [...wanted.providers.values()].map(({ spec }) => spec.name),
      provider ? [provider.name] : [],
    );
    assert.equal(wanted.links.size, link === undefined ? 0 : 1);
    assert.equal(fleet.objects.size, provider ? 1 : 0);
    assert.equal(fleet.caller.tables.providers.size, provider ? 1 : 0);
    const [now] = wanted.providers.keys();
    if (now !== undefined && !this.former.includes(now)) this.former.push(now);
    for (const id of this.former) {
      const knowing = (await fleet.ask<"figures">({ type: "figures", id })).length;
      assert.equal(knowing, id === now ? fleet.placesUp.length : 0, `engines that know ${id}`);
    }
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
      await real.check(model);
    },
    toString: () => name,
  };
}

interface Named {
  readonly kind: ProbeKind;
  readonly name: string;
}

async function begin({ kind, name }: Named, model: Model, real: Real): Promise<void> {
  real.current = await real.probe(kind, name);
  real.handle = await real.host.startProvider(real.current.provider);
  model.provider = { name, kind, state: "running" };
}

const start = (next: Named) =>
  step(
    `start ${next.kind} ${next.name}`,
    ({ provider }) => !provider,
    (model, real) => begin(next, model, real),
  );

const link = (at: string) =>
  step(
    `link ${at}`,
    ({ provider }) => provider !== undefined,
    async (model, real) => {
      try {
        await real.link(at);
        model.link = at;
      } catch (error) {
        // One that is on its way back may refuse; then all is as it was.
        if (model.provider?.state !== "falling") throw error;
      }
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
    const before = real.current?.calls;
    const answer = await real.ask();
    const fallen = /it fell|is down|is gone/;
    if (!provider || at === undefined) assert.match(answer, /missing link definition/);
    else if (provider.state === "draining") assert.match(answer, new RegExp(`${provider.name} is draining`));
    else if (provider.state === "crashed") assert.match(answer, fallen);
    else if (provider.state === "falling")
      assert.ok(answer === `${provider.name} ${at}` || fallen.test(answer), answer);
    else assert.equal(answer, `${provider.name} ${at}`);
    if (before !== undefined && provider?.state === "running" && at !== undefined)
      assert.equal(real.current!.calls, before + 1, "once");
  },
);

const swap = ({ kind, name }: Named) =>
  step(
    `swap for ${kind} ${name}`,
    ({ provider }) => provider !== undefined,
    async (model, real) => {
      const next = await real.probe(kind, name);
      await real.host.swapProvider(real.handle!, next.provider, { trialMs: 0, drainMs: 100 });
      real.current = next;
      model.provider = { name, kind, state: "running" };
    },
  );

/** The values of the link change while the new one is on trial, and its time passes. */
const swapWithRelink = ({ kind, name }: Named, at: string) =>
  step(
    `swap for ${kind} ${name}, linked ${at} on trial`,
    ({ provider, link: held }) => provider !== undefined && held !== undefined,
    async (model, real) => {
      const next = await real.probe(kind, name);
      const swapping = swapTo(real, next);
      await swapping.trial;
      await real.link(at);
      assert.equal(await real.ask(), `${name} ${at}`);
      // The time of all trials is up.
      real.host.swaps.stop();
      assert.equal((await swapping.end).outcome, "swapped");
      real.current = next;
      model.provider = { name, kind, state: "running" };
      model.link = at;
    },
  );

const refusedSwap = (kind: ProbeKind) =>
  step(
    `swap refused by ${kind}`,
    ({ provider }) => provider !== undefined,
    async (_model, real) => {
      const next = await real.probe(kind, "refused", true);
      await assert.rejects(real.host.swapProvider(real.handle!, next.provider), { code: "SWAP_REFUSED" });
    },
  );

/** One falls on trial, after the link was changed where `at` is given: the old one serves with the values of now. */
const returnedSwap = (kind: ProbeKind, at: string | undefined) =>
  step(
    `swap returned from ${kind}${at === undefined ? "" : `, linked ${at} on trial`}`,
    ({ provider, link: held }) => provider?.state === "running" && held !== undefined,
    async (model, real) => {
      const next = await real.probe(kind, "bad");
      const swapping = swapTo(real, next);
      await swapping.trial;
      if (at !== undefined) {
        await real.link(at);
        model.link = at;
      }
      assert.equal(await real.ask(), `bad ${model.link}`);
      next.fall();
      // At most the call that finds it out fails.
      const answer = await real.ask();
      if (!/^bad |it fell|is gone|is down/.test(answer)) assert.equal(answer, `${model.provider!.name} ${model.link}`);
      assert.equal((await swapping.end).outcome, "returned");
      assert.equal(await real.ask(), `${model.provider!.name} ${model.link}`);
    },
  );

/** On trial for longer than any test; `trial` resolves when it is there. */
function swapTo(real: Real, { provider }: Probe) {
  const { promise: trial, resolve, reject } = Promise.withResolvers<void>();
  const end = real.host.swapProvider(real.handle!, provider, {
    trialMs: 600_000,
    drainMs: 100,
    onStep: ({ step: name }) => void (name === "trial" && resolve()),
  });
  end.catch(reject);
  return { trial, end };
}

const crash = step(
  "crash",
  ({ provider }) => provider?.state === "running",
  async (model, real) => {
    real.current!.fall();
    model.provider!.state = model.provider!.kind === "object" ? "crashed" : "falling";
  },
);

/** An object that is well again, or one that its host has brought back. */
const recover = step(
  "recover",
  ({ provider, link: at }) => (provider?.state === "crashed" || provider?.state === "falling") && at !== undefined,
  async (model, real) => {
    real.current!.rise();
    await until(async () => (await real.ask()) === `${model.provider!.name} ${model.link}`, patienceMs);
    model.provider!.state = "running";
  },
);

/** What comes next meets its restart, perhaps half-way. */
const wait = (ms: number) =>
  step(
    `wait ${ms} ms`,
    ({ provider }) => provider?.state === "falling",
    () => new Promise((resolve) => setTimeout(resolve, ms)),
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
const at = fc.constantFrom("1", "2");

interface World {
  readonly what: string;
  readonly kinds: readonly ProbeKind[];
  readonly engines: number;
  readonly runs: number;
  readonly steps: number;
}

for (const { what, kinds, engines, runs, steps } of [
  { what: "in the caller's thread", kinds: ["object", "phoenix"], engines: 0, runs: 12, steps: 40 },
  { what: "with two engines", kinds: ["object", "phoenix"], engines: 2, runs: 3, steps: 40 },
  { what: "in processes of their own", kinds: ["child", "child", "phoenix"], engines: 0, runs: 2, steps: 25 },
] satisfies World[]) {
  test(`start, link, relink, call, swap, crash, come back, drain and stop in any order are what the model says (${what})`, async () => {
    const kind = fc.constantFrom(...kinds);
    const named = fc.record({ kind, name });
    const commands = fc.commands(
      [
        named.map(start),
        at.map(link),
        at.map(link),
        fc.constant(call),
        fc.constant(crash),
        fc.constant(crash),
        fc.constant(recover),
        fc.constant(recover),
        fc.integer({ min: 600, max: 1_000 }).map(wait),
        fc.constantFrom(unlink, drain, stop),
        named.map(swap),
        kind.map(refusedSwap),
        fc.tuple(named, at).map(([next, value]) => swapWithRelink(next, value)),
        fc.tuple(kind, fc.option(at, { nil: undefined })).map(([next, value]) => returnedSwap(next, value)),
      ],
      { maxCommands: steps, size: "max" },
    );
    await fc.assert(
      fc.asyncProperty(named, commands, async (first, order) => {
        await using host = await startHost({
          logLevel: "silent",
          engines,
          // A busy machine makes no provider ill.
          limits: { drainMs: 100, engineSilenceMs: patienceMs, callTimeoutMs: patienceMs },
        });
        const actor = await host.startActor(edgeActor());
        const setup = async () => {
          const [model, real]: [Model, Real] = [{ provider: undefined, link: undefined }, new Real(host, actor)];
          // Nothing is said of a host without a provider for most of the steps.
          await begin(first, model, real);
          await link("0").run(model, real);
          return { model, real };
        };
        await fc.asyncModelRun(setup, order);
      }),
      { numRuns: runs, seed, endOnFailure: true },
    );
  });
}
