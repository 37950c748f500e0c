import { setTimeout as pause } from "node:timers/promises";
import { type Host, startHost } from "../../host/index.ts";
import { KeyPair, memoryConnection, MemoryServer, Subjects } from "../../lattice/index.ts";
import { until } from "../../test/support/until.ts";
import { median } from "../harness.ts";
import { residentMb } from "../processes.ts";

/**
 * COUNT hosts of one lattice in this process on the connection inside it, and prints what they cost:
 * `{"joinMs","cpuShare","auctionMs","hostMb"}`.
 *   node many-hosts.ts COUNT IDLE_MS
 */
const [count, idleMs] = process.argv.slice(2).map(Number) as [number, number];
const server = new MemoryServer();
const clusterSeed = KeyPair.generate("cluster").seed;
const lattice = "many";
const hosts: Host[] = [];
const start = async () =>
  hosts.push(await startHost({ lattice, clusterSeed, connection: memoryConnection(server), logLevel: "error" }));

await start();
const before = residentMb(process.pid);
const begin = performance.now();
while (hosts.length < count) await start();
await until(() => hosts.every(({ member }) => member?.peers.length === count - 1), 120_000);
const joinMs = performance.now() - begin;

// Whatever was told while they came is over.
await pause(1_000);
const since = { cpu: process.cpuUsage(), at: performance.now() };
await pause(idleMs);
const { user, system } = process.cpuUsage(since.cpu);
const cpuShare = (user + system) / 1_000 / (performance.now() - since.at);

const { bus } = memoryConnection(server);
const request = Buffer.from(JSON.stringify({ actor_ref: "registry.example/echo:1", constraints: {} }));
const times: number[] = [];
for (let turn = 0; turn < 15; turn++) {
  const asked = performance.now();
  const bids = await bus.gather(new Subjects(lattice).write("auctionActor"), request, {
    timeoutMs: 10_000,
    max: count,
  });
  if (bids.length !== count) throw new Error(`${bids.length} bids of ${count} hosts`);
  times.push(performance.now() - asked);
}
const hostMb = (residentMb(process.pid) - before) / (count - 1);
process.stdout.write(`${JSON.stringify({ joinMs, cpuShare, auctionMs: median(times), hostMb })}\n`);
