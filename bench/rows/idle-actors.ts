import { setTimeout as pause } from "node:timers/promises";
import type { Row } from "../harness.ts";
import { repositoryFile, residentMb, startNode } from "../processes.ts";

/** Long enough for the heap to be swept once more. */
const settleMs = 3_000;
const startMs = 180_000;

/** Actors that wait for their next call, each with a live instance, against as many instances alone. */
export const idleActors: Row = {
  name: "idle-actors",
  short: false,
  async measure({ short }) {
    const count = short ? 1_000 : 10_000;
    const held = async (side: "lattice" | "bare") => {
      await using child = await startNode(
        [repositoryFile("bench/children/idle-actors.ts"), side, String(count)],
        startMs,
      );
      await pause(settleMs);
      return residentMb(child.pid);
    };
    const value = await held("lattice");
    const peer = await held("bare");
    return [
      {
        row: "idle-actors",
        figure: `resident memory with ${count} idle actors, each answered once`,
        value,
        unit: "MB",
        peer: { name: "bare instances", value: peer },
        ratio: value / peer,
        budget: { of: "value", better: "lower", first: 1_000, goal: 400 },
        how: `whole process, ${settleMs} ms after the last; the C echo under ${count} keys on one host, engines 0; the peer holds as many instances of the same module in an array`,
      },
    ];
  },
};
