import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { assembled } from "../assembled.ts";
import { signed } from "../guests.ts";
import { type Figure, median, type Row } from "../harness.ts";
import { generate } from "../load.ts";
import { benchEnvironment, latticeRun, repositoryFile } from "../processes.ts";

const spinners = 3;
const load = { connections: 16, ratePerSecond: 400, body: "x".repeat(100) };

/** An echo beside guests that never end, in one engine: what a client of the echo sees of them. */
export const fairness: Row = {
  name: "fairness",
  short: false,
  async measure({ short }) {
    const [seconds, rounds] = short ? [2, 1] : [3, 5];
    const files = Array.from({ length: spinners }, (_, i) => {
      const file = join(String(benchEnvironment.HOME), `spinner-${i}.wasm`);
      writeFileSync(
        file,
        signed(assembled("spinner"), { name: `spinner ${i}`, capabilities: ["wasmcloud:httpserver"] }),
      );
      return file;
    });
    const echo = repositoryFile("actors/examples/echo-rust/echo.wasm");
    await using lattice = await latticeRun([echo, ...files], ["--log-level", "silent"]);
    const [echoUrl, ...spinUrls] = lattice.actors.map(({ urls }) => urls[0]!);
    const target = { ...load, url: `${echoUrl}/tea`, seconds };
    await generate(target);
    const alone: number[] = [];
    const beside: number[] = [];
    for (let round = 0; round < rounds; round++) {
      alone.push((await generate(target)).p99);
      await using spinning = keepSpinning(spinUrls);
      beside.push((await generate(target)).p99);
      if (spinning.ended === 0) throw new Error("no spinning call ended: they did not spin");
    }
    const value = median(beside);
    const peer = median(alone);
    const figure: Figure = {
      row: "fairness",
      figure: `echo p99 beside ${spinners} spinning actors`,
      value,
      unit: "ms",
      peer: { name: "echo alone", value: peer },
      ratio: value / peer,
      budget: { of: "value", better: "lower", first: 10, goal: 2 },
      how: `open loop of ${load.ratePerSecond} requests/s from bench/load/generator.ts, latency from when a request was due, the first half second left out; each spinning call ends by its CPU limit and is asked again; ${rounds} rounds of ${seconds} s, median of their p99`,
    };
    return [figure];
  },
};

/** Keeps one request open at each spinner; a call that its limit has ended is made again. */
function keepSpinning(urls: readonly string[]): AsyncDisposable & { readonly ended: number } {
  const abort = new AbortController();
  let ended = 0;
  const loops = urls.map(async (url) => {
    while (!abort.signal.aborted) {
      const answer = await fetch(url, { signal: abort.signal }).catch(() => undefined);
      await answer?.body?.cancel();
      if (answer) ended++;
    }
  });
  return {
    get ended() {
      return ended;
    },
    async [Symbol.asyncDispose]() {
      abort.abort();
      await Promise.all(loops);
    },
  };
}
