/** Entry of the thread that watches over another one: see `StallWatch`. */
import { parentPort, workerData } from "node:worker_threads";
import { stepText } from "../children/provider-step.ts";
import {
  beatWord,
  debuggedWord,
  holderWord,
  type Stall,
  stallBeatMs,
  steps,
  type ToKeeper,
  type Watched,
} from "./messages.ts";
import type { KeeperData } from "./stall-watch.ts";

const port = parentPort!;
const { words: shared, main } = workerData as KeeperData;
const words = new Int32Array(shared);
const watched = new Map<number, Watched>();
/** One that lasts is told again after so long, in milliseconds. */
const againMs = 60_000;

let beats = 0;
let since = performance.now();
let stall: { number: number; step: number; where: readonly string[]; told: number } | undefined;

port.on("message", (message: ToKeeper) => {
  switch (message.type) {
    case "watch":
      watched.set(message.number, message);
      break;
    case "forget":
      watched.delete(message.number);
      break;
    default:
      message satisfies never;
  }
});
setInterval(look, stallBeatMs);

function look(): void {
  const now = performance.now();
  const seen = Atomics.load(words, beatWord);
  if (seen !== beats || words[debuggedWord] === 1) {
    if (stall && seen !== beats) {
      const { number, step, where } = stall;
      port.postMessage({ number, step, ms: Math.round(now - since), where } satisfies Stall);
      stall = undefined;
    }
    beats = seen;
    since = now;
    return;
  }
  const ms = Math.round(now - since);
  if (stall) {
    if (ms - stall.told >= againMs) void tell(ms);
    return;
  }
  const holder = Atomics.load(words, holderWord);
  const number = Math.floor(holder / steps);
  const one = watched.get(number) ?? [...watched.values()][0];
  if (!one || ms < one.silenceMs) return;
  stall = { number: watched.has(number) ? number : 0, step: holder % steps, where: [], told: 0 };
  void tell(ms);
}

async function tell(ms: number): Promise<void> {
  const now = stall;
  if (!now) return;
  now.told = ms;
  if (main) {
    const { positionOfMain } = await import("./code-position.ts");
    now.where = await positionOfMain();
  }
  const one = watched.get(now.number);
  const { log } = one ?? [...watched.values()][0] ?? {};
  if (!log) return;
  const who = one
    ? `provider ${one.name} has held the host's thread for ${ms} ms, in ${stepText(now.step)}`
    : `the host's thread has been held for ${ms} ms by none of the calls of its providers`;
  const at = now.where.length === 0 ? "" : `, at ${now.where.join(", ")}`;
  const { HostLogger } = await import("../logger.ts");
  const logger = new HostLogger(log);
  logger.error(
    `${who}${at}; meanwhile it answers nobody. A module in a thread of its own is ended by the host instead`,
  );
  logger.flush();
}
