/** Everything that can be asked of a host, all at once: whatever the order, it ends up consistent. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { type Host, KeyPair, startHost } from "../../index.ts";
import { calling, obedient } from "../support/actors.ts";
import { ask, codeOf, Gate } from "../support/journey.ts";
import { until } from "../support/until.ts";

const unruly = fileURLToPath(new URL("../support/unruly-middleware.ts", import.meta.url));
const names = ["one", "two", "three"];
const nothing = new Uint8Array();

/** What may be answered to a verb that came at a bad moment. */
const known = ["ACTOR_ABSENT", "ALREADY_RUNNING", "ENGINE_LOST"];
/** The same for calls. */
const calls = [...known, "DRAINING", "STOPPED"];

/** A generator that gives the same numbers for the same seed. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

async function instancesOf(host: Host): Promise<number> {
  return (await host.fleet.stats()).reduce((sum, { instances }) => sum + instances, 0);
}

const ways = [
  { way: "in the caller's thread", engines: 0, dying: false },
  { way: "in two engines", engines: 2, dying: false },
  { way: "in two engines that die now and then", engines: 2, dying: true },
];

for (const { way, engines, dying } of ways) {
  for (const seed of [1, 2, 3]) {
    test(`verbs and calls at random leave no trace behind (${way}, seed ${seed})`, async () => {
      const middleware = dying ? { middleware: [unruly], logLevel: "silent" as const } : {};
      await using host = await startHost({ engines, limits: { idleMs: 50 }, ...middleware });
      const pick = numbers(seed);
      const modules = await Promise.all(
        names.map(async (name) => {
          const module = KeyPair.generate("module");
          const sign = (revision: number) =>
            obedient({ name, callAlias: `test/${name}`, capabilities: ["wasmcloud:keyvalue"], module, revision });
          return Promise.all([1, 2].map((revision) => host.load(sign(revision), name)));
        }),
      );
      const gate = new Gate();
      gate.open();
      const provider = await host.startProvider(gate);
      const odd: string[] = [];
      const work: Promise<void>[] = [];
      const expect = (what: string, outcome: Promise<unknown>, allowed: readonly string[]) => {
        work.push(
          codeOf(outcome).then((code) => {
            if (code !== undefined && !allowed.includes(code)) odd.push(`${what}: ${code}`);
          }),
        );
      };
      await Promise.all(modules.map(([first]) => host.startActor(first!)));
      // The others may meet an actor that was stopped before; this one ends an engine for certain.
      if (dying) assert.equal(await codeOf(host.call(modules[0]![0]!.key, "test.Exit", nothing)), "ENGINE_LOST");
      for (let step = 0; step < 250; step++) {
        const which = pick(names.length);
        const { key } = modules[which]![0]!;
        const version = modules[which]![pick(2)]!;
        const verb = pick(9);
        if (dying && step % 60 === 30) expect("die", host.call(key, "test.Exit", nothing), calls);
        else if (verb === 0) expect("start", host.startActor(version), known);
        else if (verb === 1) expect("stop", host.stopActor(key), known);
        else if (verb === 2) expect("update", host.updateActor(key, version), known);
        else if (verb === 3) expect("scale", host.scale(key, 1 + pick(4)), known);
        else if (verb === 4) expect("link", host.link(key, provider), known);
        else if (verb === 5) expect("unlink", host.unlink(key, "wasmcloud:keyvalue"), known);
        else if (verb === 6) expect("call", host.call(key, "Echo", nothing), calls);
        else if (verb === 7) expect("nested", host.call(key, "Call", calling(`test/${names[pick(3)]}`, "Echo")), calls);
        else expect("store", host.call(key, "Call", calling("wasmcloud:keyvalue", "Get")), calls);
        if (pick(4) === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      await Promise.all(work);
      assert.deepEqual(odd, []);
      // The caller of a lost engine hears of it before its supervisor does.
      await until(() => host.fleet.restarts.size > 0 === dying);

      for (const { key } of modules.map(([first]) => first!)) {
        const runs = [...host.wanted.placements.values()].some(({ spec }) => spec.module.key === key);
        const wanted = runs ? undefined : "ACTOR_ABSENT";
        await until(async () => (await codeOf(host.call(key, "Echo", nothing))) === wanted);
        const linked = [...host.wanted.links.values()].some(({ spec }) => spec.actor === key);
        if (!runs) continue;
        const said = linked ? /^let through$/ : /has no link/;
        const get = () => ask(host, key, "Call", calling("wasmcloud:keyvalue", "Get")).catch(String);
        await until(async () => said.test(await get()));
      }
      await Promise.all([...host.wanted.placements.values()].map(({ spec }) => host.stopActor(spec.module.key)));
      assert.equal(host.wanted.placements.size, 0);
      await until(async () => (await instancesOf(host)) === 0);
      // Nothing is left in the way of a new start.
      for (const [first] of modules) await host.startActor(first!);
      await until(async () => (await instancesOf(host)) === names.length * Math.max(1, engines));
    });
  }
}
