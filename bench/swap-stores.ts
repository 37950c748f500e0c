import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import {
  childProvider,
  type Host,
  type ProviderHandle,
  startHost,
  type SwapOptions,
  type SwapStep,
} from "../host/index.ts";
import { KeyPair } from "../lattice/index.ts";
import { type ServerName, StoreServer } from "../test/support/store-servers.ts";
import { until } from "../test/support/until.ts";
import { type LatticeSeat, seatOptions } from "./lattice-seat.ts";
import { repositoryFile, startNode } from "./processes.ts";

const reference = "builtin:keyvalue-memory";
const patienceMs = 60_000;

/** How one swap went: of what it took, all but its trial. */
export interface SwapTimes {
  readonly lost: number;
  /** How long calls waited at most. */
  readonly pauseMs: number;
  readonly swapMs: number;
}

/** A store in memory under `host`, which can be swapped for another one and back. */
export interface SwapSeat extends AsyncDisposable {
  readonly host: Host;
  readonly store: ProviderHandle;
  readonly there: (trialMs: number) => Promise<SwapTimes>;
  readonly back: (trialMs: number) => Promise<SwapTimes>;
}

/** One that is started here for another in this place: `next` is what `lattice swap` would be given, or a child. */
async function seatHere(resources: AsyncDisposableStack, next: () => ReturnType<typeof nextOf>): Promise<SwapSeat> {
  const host = resources.use(await startHost());
  const store = await host.startProvider(reference);
  const held = resources.move();
  return {
    host,
    store,
    there: async (trialMs) => await timed(host, await next(), { trialMs }),
    back: async (trialMs) => await timed(host, "memory", { trialMs }),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

type Next = Parameters<Host["swapProvider"]>[1];
const nextOf = async (next: Next): Promise<Next> => next;

export async function memorySeat(): Promise<SwapSeat> {
  return seatHere(new AsyncDisposableStack(), () => nextOf("memory"));
}

export async function sqliteSeat(): Promise<SwapSeat> {
  await using resources = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "lattice-bench-swap-"));
  resources.defer(() => rmSync(folder, { recursive: true, force: true }));
  return await seatHere(resources, () => nextOf(`sqlite:${join(folder, "counts.db")}`));
}

export async function serverSeat(server: ServerName, scheme: string): Promise<SwapSeat> {
  await using resources = new AsyncDisposableStack();
  const { port } = resources.use(await StoreServer.start(server));
  return await seatHere(resources, () => nextOf(`${scheme}://127.0.0.1:${port}`));
}

export async function childSeat(): Promise<SwapSeat> {
  return seatHere(new AsyncDisposableStack(), () => childProvider(repositoryFile("test/support/memory-store.ts")));
}

/** The same store in memory on a host in a process of its own, over a real NATS server. */
export async function otherHostSeat(): Promise<SwapSeat> {
  await using resources = new AsyncDisposableStack();
  const { port } = resources.use(await StoreServer.start("nats-server"));
  const clusterSeed = KeyPair.generate("cluster").seed;
  const seat: LatticeSeat = {
    servers: `nats://127.0.0.1:${port}`,
    lattice: "bench",
    clusterSeed,
    rpc: "session",
    echo: "",
  };
  const other = resources.use(await startNode([repositoryFile("bench/children/swap-host.ts"), JSON.stringify(seat)]));
  const host = resources.use(await startHost(seatOptions(seat)));
  const toHost = String(other.ready["host"]);
  await until(() => host.member?.peers.some((peer) => peer.host === toHost), patienceMs);
  const store = await host.startProvider(reference);
  const lines = createInterface({ input: other.child.stdout! })[Symbol.asyncIterator]();
  const held = resources.move();
  return {
    host,
    store,
    there: (trialMs) => timed(host, "memory", { trialMs, toHost }),
    back: async (trialMs) => {
      other.child.stdin?.write(`${JSON.stringify({ toHost: host.id, trialMs })}\n`);
      const { value } = await lines.next();
      const { error, lost, pauseMs, steps } = JSON.parse(String(value)) as {
        error?: string;
        lost: number;
        pauseMs: number;
        steps: SwapStep[];
      };
      if (error !== undefined) throw new Error(`the way back: ${error}`);
      return { lost, pauseMs, swapMs: withoutTrial(steps) };
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

async function timed(host: Host, next: Next, options: SwapOptions): Promise<SwapTimes> {
  const steps: SwapStep[] = [];
  const { outcome, reason, lost, pauseMs } = await host.swapProvider("keyvalue", next, {
    ...options,
    copyState: true,
    onStep: (step) => steps.push(step),
  });
  if (outcome !== "swapped") throw new Error(`a swap returned: ${reason}`);
  return { lost, pauseMs, swapMs: withoutTrial(steps) };
}

/** From the command to the end, without the time of the trial. */
function withoutTrial(steps: readonly SwapStep[]): number {
  const at = (name: SwapStep["step"]) => steps.find(({ step }) => step === name)?.atMs ?? 0;
  return at("drained") - (at("kept") - at("trial"));
}
