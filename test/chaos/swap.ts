import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { builtins, childProvider, type Host, type Provider, startHost, type SwapOutcome } from "../../index.ts";
import { Counting } from "../support/counting.ts";
import { edgeActor } from "../support/edge.ts";
import { type ServerName, skipWithout, StoreServer } from "../support/store-servers.ts";
import { until } from "../support/until.ts";
import { Latencies } from "./latencies.ts";

export interface ChaosOptions {
  readonly seed: number;
  readonly increments: number;
  readonly short: boolean;
}

/** A store to swap to: what `lattice swap` would be given. */
interface Store {
  readonly name: string;
  readonly next: () => string | Promise<Provider>;
}

const childStore = fileURLToPath(new URL("child-store.ts", import.meta.url));
const actorCount = 3;
const callers = 8;
const keys = 50;

/**
 * Actors count through their key-value store while that is swapped again and again, with its state,
 * through every implementation at hand. At the end each key must hold exactly what was counted, no
 * call may have failed, and swaps must have happened all along.
 */
export async function swapChaos({ seed, increments, short }: ChaosOptions): Promise<boolean> {
  say(`seed ${seed}, ${increments} increments`);
  await using resources = new AsyncDisposableStack();
  const stores = await openStores(resources);
  // A machine that has no time for the engine is no fault of a swap.
  const host = resources.use(await startHost({ engines: 1, limits: { engineSilenceMs: 30_000 } }));
  const pick = numbers(seed);
  let store = stores[0]!;
  const handle = await host.startProvider("builtin:keyvalue-memory");
  const actors = [];
  for (let at = 0; at < actorCount; at++) {
    actors.push(await host.startActor(edgeActor({ name: `counter ${at}` })));
    await host.link(actors[at]!, handle);
  }
  const calm = new Latencies();
  const swapping = new Latencies();
  let measured = calm;
  const counting = new Counting(host, { actors, callers, keys, onTime: (ms) => measured.note(ms) });
  const swaps: { readonly pair: string; readonly outcome: SwapOutcome }[] = [];
  const wanted = stores.length * (short ? 1 : 5);
  // As many swaps however fast the machine is, and counting until the last of them.
  while (swaps.length < wanted || counting.done < increments) {
    const next = counting.done + Math.floor((increments / wanted) * (0.1 + pick() * 0.6));
    await until(() => counting.done + counting.errors >= next, 600_000);
    const others = stores.filter((each) => each !== store);
    const chosen = others[Math.floor(pick() * others.length)] ?? store;
    measured = swapping;
    const outcome = await host.swapProvider(handle, await chosen.next(), {
      copyState: true,
      trialMs: short ? 20 : 200,
    });
    measured = calm;
    swaps.push({ pair: `${store.name} -> ${chosen.name}`, outcome });
    store = chosen;
  }
  await counting.stop();
  const problems = [...counting.wrong, ...(await counting.differences())];
  if (counting.errors > 0) problems.push(`${counting.errors} calls failed`);
  for (const { pair, outcome } of swaps) {
    if (outcome.outcome === "returned") problems.push(`${pair} returned: ${outcome.reason}`);
    if (outcome.lost > 0) problems.push(`${pair} lost ${outcome.lost} calls`);
  }
  if (swaps.length < wanted) problems.push(`only ${swaps.length} swaps of ${wanted}`);
  if (!short) {
    const visited = new Set(swaps.map(({ pair }) => pair.split(" -> ")[1]));
    for (const { name } of stores) if (!visited.has(name)) problems.push(`no swap led to ${name}`);
  }
  report(host, swaps, calm, swapping);
  for (const problem of problems.slice(0, 20)) say(`WRONG: ${problem}`);
  say(problems.length === 0 ? `exact: ${counting.done} increments, 0 errors, ${swaps.length} swaps` : "not exact");
  return problems.length === 0;
}

async function openStores(resources: AsyncDisposableStack): Promise<readonly Store[]> {
  const folder = mkdtempSync(join(tmpdir(), "lattice-chaos-"));
  resources.defer(() => rmSync(folder, { recursive: true, force: true }));
  const stores: Store[] = [
    { name: "memory", next: () => "memory" },
    { name: "child", next: () => childProvider(childStore) },
  ];
  if (builtins.has("builtin:keyvalue-sqlite")) {
    stores.push({ name: "sqlite", next: () => `sqlite:${join(folder, "counts.db")}` });
  }
  const servers: [ServerName, string][] = [
    ["redis-server", "redis"],
    ["nats-server", "nats"],
  ];
  for (const [server, scheme] of servers) {
    const skip = builtins.has(`builtin:keyvalue-${scheme}`) ? skipWithout(server) : `no ${scheme} store in this build`;
    if (skip !== false) say(`WITHOUT ${scheme}: ${skip}`);
    else {
      const { port } = resources.use(await StoreServer.start(server));
      stores.push({ name: scheme, next: () => `${scheme}://127.0.0.1:${port}` });
    }
  }
  return stores;
}

function report(
  host: Host,
  swaps: readonly { readonly pair: string; readonly outcome: SwapOutcome }[],
  calm: Latencies,
  swapping: Latencies,
): void {
  const by = new Map<string, SwapOutcome[]>();
  for (const { pair, outcome } of swaps) by.set(pair, [...(by.get(pair) ?? []), outcome]);
  for (const [pair, outcomes] of by) {
    const pauses = outcomes.map(({ pauseMs }) => pauseMs);
    const waited = outcomes.reduce((sum, each) => sum + each.waited, 0);
    say(`${pair.padEnd(18)} ${outcomes.length} swaps, pause at most ${Math.max(...pauses)} ms, ${waited} calls waited`);
  }
  say(`calm:  ${calm.text()}`);
  say(`swaps: ${swapping.text()}`);
  say(`restarts of engines: ${[...host.fleet.restarts.values()].reduce((sum, each) => sum + each, 0)}`);
}

/** A generator that gives the same numbers for the same seed, from 0 to 1. */
function numbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
