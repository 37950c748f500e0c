import type { Figure, Row } from "../harness.ts";
import { repositoryFile, startNode } from "../processes.ts";

const startMs = 180_000;

interface Costs {
  readonly joinMs: number;
  readonly cpuShare: number;
  readonly auctionMs: number;
  readonly hostMb: number;
}

/** Hosts of one lattice in one process, as their number grows: what they cost while nothing happens, and an auction. */
export const manyHosts: Row = {
  name: "many-hosts",
  short: true,
  async measure(run) {
    const { short } = run;
    const idleMs = short ? 5_000 : 10_000;
    const figures: Figure[] = [];
    for (const count of short ? [10] : [10, 30, 100]) {
      run.say(`${count} hosts`);
      const child = repositoryFile("bench/children/many-hosts.ts");
      await using running = await startNode([child, String(count), String(idleMs)], startMs);
      const costs = running.ready as unknown as Costs;
      const figure = (text: string, value: number, unit: string, how: string): Figure => ({
        row: "many-hosts",
        figure: `${count} hosts in one process: ${text}`,
        value,
        unit,
        how: `hosts without engines of their own on the in-process connection; ${how}`,
      });
      figures.push(
        figure(
          "processor time while idle",
          costs.cpuShare * 100,
          "% core",
          `heartbeats and what hosts tell each other every 5 s, over ${idleMs} ms`,
        ),
        figure("all bids of an auction", costs.auctionMs, "ms", "15 auctions, median"),
        figure("memory of each", costs.hostMb, "MB", "resident, after the auctions"),
        figure("until all know all", costs.joinMs, "ms", "started one after the other"),
      );
    }
    return figures;
  },
};
