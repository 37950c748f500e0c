import { pack, unpack } from "msgpackr";
import { type ActorHandle, type Host, KeyPair, startHost, type SwapOutcome } from "../../index.ts";
import { calling } from "../support/actors.ts";
import { Counting } from "../support/counting.ts";
import { Dice } from "../support/dice.ts";
import { edgeActor } from "../support/edge.ts";
import { findNatsServer, NatsServer } from "../support/nats-server.ts";
import { skipWithout, StoreServer } from "../support/store-servers.ts";
import { until } from "../support/until.ts";
import { Latencies } from "./latencies.ts";

const contract = "wasmcloud:keyvalue";
const hostCount = 3;
const keys = 50;

export interface MovesOptions {
  readonly seed: number;
  readonly swaps: number;
}

/**
 * An actor on each of three hosts counts in one store while that goes from host to host and from
 * implementation to implementation, some of the time failing its trial. At the end the store holds
 * exactly what was counted, and no call has failed.
 */
export async function movesChaos({ seed, swaps }: MovesOptions): Promise<boolean> {
  say(`seed ${seed}, ${swaps} swaps between ${hostCount} hosts`);
  if (findNatsServer() === undefined) {
    say("WITHOUT nats-server: nothing to do");
    return true;
  }
  await using resources = new AsyncDisposableStack();
  const server = resources.use(await NatsServer.start());
  const stores = ["memory", `nats://127.0.0.1:${server.port}`];
  if (skipWithout("redis-server") === false)
    stores.push(`redis://127.0.0.1:${resources.use(await StoreServer.start("redis-server")).port}`);
  const clusterSeed = KeyPair.generate("cluster").seed;
  const hosts: Host[] = [];
  for (let at = 0; at < hostCount; at++) {
    const options = { nats: server.url, clusterSeed, rpc: "session", logLevel: "error" } as const;
    hosts.push(resources.use(await startHost({ ...options, limits: { engineSilenceMs: 30_000 } })));
  }
  const met = (host: Host) => host.member?.peers.filter(({ draining }) => !draining).length === hostCount - 1;
  await until(() => hosts.every(met), 60_000);
  const sides = await actorsOn(hosts);
  const latencies = new Latencies();
  const counting = sides.map(
    ([host, actor]) => new Counting(host, { actors: [actor], callers: 2, keys, onTime: (ms) => latencies.note(ms) }),
  );
  const dice = new Dice(seed);
  const outcomes: { readonly pair: string; readonly outcome: SwapOutcome }[] = [];
  const problems: string[] = [];
  let at = 0;
  while (outcomes.length < swaps) {
    const more = counting.map(({ done }) => done + 50);
    await until(() => counting.every(({ done, errors }, side) => done + errors >= more[side]!), 120_000);
    const to = dice.below(hostCount);
    const store = stores[dice.below(stores.length)]!;
    const fails = dice.next() < 0.2 && to !== at;
    let trial = false;
    const swapping = hosts[at]!.swapProvider(contract, store, {
      copyState: true,
      trialMs: fails ? 600_000 : 20,
      ...(to === at ? {} : { toHost: hosts[to]!.id }),
      onStep: ({ step }) => (trial ||= step === "trial"),
    });
    if (fails) {
      await until(() => trial, 60_000);
      for (const { spec } of hosts[to]!.wanted.providers.values())
        hosts[to]!.swaps.hear({ id: spec.id, news: "failing", reason: "it was told to" });
    }
    const outcome = await swapping;
    const pair = `host ${at} -> host ${to}, ${store.split(":")[0]}${fails ? ", returned" : ""}`;
    outcomes.push({ pair, outcome });
    for (const [side, { errors, wrong }] of counting.entries())
      if (errors > 0 && problems.length === 0)
        problems.push(`by swap ${outcomes.length}, ${pair}, on host ${side}: ${wrong[0]}`);
    if (outcome.outcome !== (fails ? "returned" : "swapped") || outcome.lost > 0)
      problems.push(`${pair}: ${outcome.outcome}, ${outcome.lost} lost, ${outcome.reason ?? ""}`);
    if (outcome.outcome === "swapped") at = to;
  }
  await Promise.all(counting.map((each) => each.stop()));
  for (const { wrong, errors } of counting) if (errors > 0) problems.push(`${errors} calls failed: ${wrong[0]}`);
  const done = counting.reduce((sum, each) => sum + each.done, 0);
  const held = await sumOf(...sides[0]!);
  if (held !== done) problems.push(`the store holds ${held}, ${done} were counted`);
  for (const { pair, outcome } of outcomes)
    say(`${pair.padEnd(38)} pause ${outcome.pauseMs} ms, ${outcome.waited} waited, took ${outcome.tookMs} ms`);
  say(latencies.text());
  for (const problem of problems.slice(0, 20)) say(`WRONG: ${problem}`);
  say(problems.length === 0 ? `exact: ${done} increments, 0 errors, ${outcomes.length} swaps` : "not exact");
  return problems.length === 0;
}

async function actorsOn(hosts: readonly Host[]): Promise<[Host, ActorHandle][]> {
  const store = await hosts[0]!.startProvider("builtin:keyvalue-memory");
  const sides: [Host, ActorHandle][] = [];
  const ask = calling(contract, "KeyValue.Contains", pack("nothing"));
  for (const [at, host] of hosts.entries()) {
    const actor = await host.startActor(edgeActor({ name: `counter ${at}` }));
    sides.push([host, actor]);
    const linked = async () => {
      await hosts[0]!.link(actor.id, store);
      return true;
    };
    await until(async () => await linked().catch(() => false), 60_000);
    const answered = async () =>
      !Buffer.from(await host.call(actor, "Call", ask))
        .toString()
        .startsWith("error: ");
    await until(answered, 60_000);
  }
  return sides;
}

async function sumOf(host: Host, actor: ActorHandle): Promise<number> {
  let sum = 0;
  for (let at = 0; at < keys; at++) {
    const reply = await host.call(actor, "Call", calling(contract, "Get", pack({ key: `count-${at}` })));
    sum += Number((unpack(reply) as { value: string }).value);
  }
  return sum;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
