import { setTimeout as pause } from "node:timers/promises";
import { type Figure, median, type Row } from "../harness.ts";
import { latticeRun, repositoryFile, residentMb, startNode } from "../processes.ts";

const ready = `process.stdout.write('{"ready":true}\\n'); setInterval(() => {}, 1e6);`;
/** For late allocations and the first garbage collections to be over. */
const settleMs = 1_500;

/** A host with one actor that nobody calls: how long it takes to be there, and what it keeps. */
export const idleHost: Row = {
  name: "idle-host",
  short: false,
  async measure({ short }) {
    const rounds = short ? 3 : 7;
    const echo = repositoryFile("actors/examples/echo-rust/echo.wasm");
    const samples = {
      ours: { ms: [] as number[], mb: [] as number[] },
      peer: { ms: [] as number[], mb: [] as number[] },
    };
    for (let round = 0; round < rounds; round++) {
      await using lattice = await latticeRun([echo]);
      await using bare = await startNode(["-e", ready]);
      await pause(settleMs);
      for (const [side, running] of [
        ["ours", lattice],
        ["peer", bare],
      ] as const) {
        samples[side].ms.push(running.readyMs);
        samples[side].mb.push(residentMb(running.pid));
      }
    }
    const figure = (what: "ms" | "mb", text: string, unit: string, how: string): Figure => {
      const [value, peer] = [median(samples.ours[what]), median(samples.peer[what])];
      return {
        row: "idle-host",
        figure: text,
        value,
        unit,
        peer: { name: "bare node", value: peer },
        ratio: value / peer,
        how,
      };
    };
    return [
      figure(
        "ms",
        "lattice run ECHO, start of the process to ready",
        "ms",
        `to the first line of -o json, HTTP open and actor warm; ${rounds} starts in turns, medians`,
      ),
      figure(
        "mb",
        "resident memory of that host, idle",
        "MB",
        `${settleMs} ms after it was ready; the peer is node -e with a timer; ${rounds} starts, medians`,
      ),
    ];
  },
};
