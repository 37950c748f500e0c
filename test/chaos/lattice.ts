import { setTimeout as pause } from "node:timers/promises";
import { describe } from "../../lattice/index.ts";
import { Dice } from "../support/dice.ts";
import { natsSkip } from "../support/nats-server.ts";
import { Account } from "./lattice/account.ts";
import { agreement, orphans } from "./lattice/calm.ts";
import { type Fault, faults } from "./lattice/faults.ts";
import { Load } from "./lattice/load.ts";
import { ChaosWorld, lattice } from "./lattice/world.ts";

export interface LatticeChaosOptions {
  readonly seed: number;
  /** How long things go wrong. */
  readonly seconds: number;
}

/** Hosts agree again this soon after the last fault, in milliseconds. */
const agreeMs = 5_000;
/** Those that do not are looked at for this much longer, to tell slow from never. */
const laterMs = 20_000;
/** What the host that is never killed may hold more at the end than after its first quarter, in bytes. */
const growthBytes = 32 * 1024 * 1024;

/**
 * Hosts over a real server lose each other, the server, their processes and their time at random while
 * calls count in a store and actors, links and sizes change. At the end no acknowledged call may be
 * missing in the store, none may stand there that was not asked for, and every host must know the same.
 */
export async function latticeChaos({ seed, seconds }: LatticeChaosOptions): Promise<boolean> {
  const skip = natsSkip();
  if (skip !== false) {
    say(`SKIPPED: ${skip}`);
    return true;
  }
  say(`seed ${seed}, ${seconds} s`);
  const problems: string[] = [];
  const happened = new Map<string, number>(faults.map(({ name }) => [name, 0]));
  const account = new Account();
  let homes: readonly string[];
  {
    await using world = await ChaosWorld.start();
    homes = world.hosts.map(({ homePath }) => homePath);
    const { url, actor, client, workers } = world;
    const load = new Load({ account, url, bus: client.bus, lattice, actor, hosts: workers.map(({ id }) => id) });
    if (!(await load.well(200, 30_000))) problems.push("calls do not go well before anything happens");
    const held = await misbehave(world, new Dice(seed), seconds, happened, problems);
    await calm(world, problems);
    if (!(await load.well(50, agreeMs))) problems.push(`calls do not go well ${agreeMs} ms after the last fault`);
    await load.stop();
    const counted = await account.compare((key) => world.held(key));
    const { acknowledged, failed } = account;
    say(`acknowledged ${acknowledged} <= counted ${counted} <= acknowledged and failed ${acknowledged + failed}`);
    const grown = (await world.store.heldBytes()) - held;
    say(`memory of the store's host: ${mib(held)} after a quarter, ${mib(grown)} more at the end`);
    if (grown > growthBytes) problems.push(`it grew by ${mib(grown)}, at most ${mib(growthBytes)} are allowed`);
    for (const host of world.hosts) {
      const code = await host.stop();
      if (code !== 0)
        problems.push(`host ${host.name} ended with ${code} when it was asked to: ${host.log.slice(-500)}`);
    }
  }
  const left = orphans(homes);
  if (left === undefined) say("orphans: this system does not tell");
  else if (left.length > 0) problems.push(`processes are left: ${left.join(", ")}`);
  problems.push(...account.wrong);
  for (const [name, count] of happened) {
    say(`${String(count).padStart(5)}  ${name}`);
    if (count === 0) problems.push(`${name}: it never happened`);
  }
  for (const [code, count] of [...account.codes].toSorted(([, a], [, b]) => b - a)) say(`${count} calls ended ${code}`);
  for (const problem of problems) say(`WRONG: ${problem}`);
  say(problems.length === 0 ? "all is accounted for" : `not well; the same again: --seed ${seed} --seconds ${seconds}`);
  return problems.length === 0;
}

/** Every fault once in an order of chance, then by chance. Gives what the store's host held after a quarter of the time. */
async function misbehave(
  world: ChaosWorld,
  dice: Dice,
  seconds: number,
  happened: Map<string, number>,
  problems: string[],
): Promise<number> {
  const end = performance.now() + seconds * 1_000;
  const quarter = performance.now() + seconds * 250;
  const once = faults.map((fault) => ({ fault, at: dice.next() })).toSorted((a, b) => a.at - b.at);
  const chances = faults.flatMap((fault) => Array.from({ length: fault.weight ?? 1 }, () => fault));
  const queue: Fault[] = once.map(({ fault }) => fault);
  const busy = new Set<string>();
  const running = new Set<Promise<void>>();
  let held: number | undefined;
  while (performance.now() < end || queue.length > 0) {
    if (held === undefined && performance.now() > quarter && !busy.has(world.store.name))
      held = await world.store.heldBytes();
    const fault = queue.shift() ?? dice.pick(chances);
    const { whom, run } = fault.pick(world, dice);
    if (whom.some((name) => busy.has(name))) {
      if (happened.get(fault.name) === 0) queue.push(fault);
      await pause(50);
      continue;
    }
    for (const name of whom) busy.add(name);
    const work = run()
      .then((seen) => {
        if (seen) happened.set(fault.name, happened.get(fault.name)! + 1);
      })
      .catch((error: unknown) => {
        problems.push(`${fault.name} of ${whom.join()}: ${describe(error)}`);
        const host = world.hosts.find(({ name }) => whom.includes(name));
        if (host) say(`${fault.name} of ${host.name}: its log ends with\n${host.log.slice(-4_000)}`);
      })
      .finally(() => {
        for (const name of whom) busy.delete(name);
        running.delete(work);
      });
    running.add(work);
    await pause(100 + dice.below(900));
  }
  await Promise.all(running);
  return held ?? (await world.store.heldBytes());
}

/** Nothing goes wrong any more: an operator brings all to one revision, and the hosts find together. */
async function calm(world: ChaosWorld, problems: string[]): Promise<void> {
  for (const host of world.workers) {
    const rows = await host.placements(world.actor);
    if (rows.some(({ revision }) => revision !== world.revision)) await world.update(host, world.revision);
  }
  const found = await agreement(world, agreeMs);
  if (typeof found === "number") say(`all hosts agree ${Math.round(found)} ms after the last fault`);
  else {
    const later = await agreement(world, laterMs);
    const end =
      typeof later === "number" ? `they agree ${Math.round(later)} ms later` : `and ${laterMs} ms later: ${later}`;
    problems.push(`after ${agreeMs} ms hosts still differ: ${found}; ${end}`);
  }
}

function mib(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
