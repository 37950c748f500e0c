import { parseArgs } from "node:util";
import { latticeChaos } from "./lattice.ts";
import { movesChaos } from "./moves.ts";
import { swapChaos } from "./swap.ts";

/**
 * `npm run chaos -- [NAME]`: long runs in which things change and break under load, with an exact
 * account at the end.
 *
 *   lattice            hosts, server and network fail under calls from host to host (default)
 *   --seconds N        how long things fail (default 60)
 *   swap               providers swap while actors count
 *   --increments N     calls at least (default 1 000 000)
 *   moves              a store goes from host to host while actors on all of them count
 *   --swaps N          how often (default 60)
 *   --seed N           the same choices again
 *   --short            a few seconds or a few thousand calls, for a quick look
 *
 * The exit code is 1 when the account is not exact.
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    increments: { type: "string" },
    seconds: { type: "string" },
    swaps: { type: "string" },
    seed: { type: "string" },
    short: { type: "boolean", default: false },
  },
});
const { short } = values;
const seed = Number(values.seed ?? Date.now() % 1_000_000);
const runs: Readonly<Record<string, () => Promise<boolean>>> = {
  lattice: () => latticeChaos({ seed, seconds: Number(values.seconds ?? (short ? 15 : 60)) }),
  moves: () => movesChaos({ seed, swaps: Number(values.swaps ?? (short ? 10 : 60)) }),
  swap: () => swapChaos({ seed, increments: Number(values.increments ?? (short ? 12_000 : 1_000_000)), short }),
};
const run = runs[positionals[0] ?? "lattice"];
if (run === undefined) {
  const names = Object.keys(runs).join("|");
  process.stderr.write(
    `usage: npm run chaos -- [${names}] [--short] [--seed N] [--seconds N] [--swaps N] [--increments N]\n`,
  );
  process.exit(2);
}
process.exitCode = (await run()) ? 0 : 1;
