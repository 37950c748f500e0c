import { parseArgs } from "node:util";
import { swapChaos } from "./swap.ts";

/**
 * `npm run chaos -- NAME`: long runs in which things change and break under load, with an exact
 * account at the end.
 *
 *   swap               providers swap while actors count
 *   --increments N     calls in all (default 1 000 000)
 *   --seed N           the same choices again
 *   --short            a few thousand calls, for the gate
 *
 * The exit code is 1 when the account is not exact.
 */
const runs = { swap: swapChaos };

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    increments: { type: "string" },
    seed: { type: "string" },
    short: { type: "boolean", default: false },
  },
});
const run = runs[positionals[0] as keyof typeof runs];
if (run === undefined) {
  process.stderr.write(
    `usage: npm run chaos -- ${Object.keys(runs).join("|")} [--short] [--seed N] [--increments N]\n`,
  );
  process.exit(2);
}
const seed = Number(values.seed ?? Date.now() % 1_000_000);
const increments = Number(values.increments ?? (values.short ? 12_000 : 1_000_000));
process.exitCode = (await run({ seed, increments, short: values.short })) ? 0 : 1;
