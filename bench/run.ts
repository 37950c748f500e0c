import { cpus } from "node:os";
import { parseArgs } from "node:util";
import type { Figure } from "./harness.ts";
import { rows } from "./rows/index.ts";
import { type Failure, tableText } from "./table.ts";

/**
 * `npm run bench`: measures every row and prints one table.
 *
 *   --only NAME    this row alone; may be repeated
 *   --short        a few rows with short rounds, under a minute, for the gate
 *   --output json  one JSON document instead of the table
 *
 * The exit code is 1 only when a row of ours could not be measured: a machine's speed is no failure.
 */
const { values } = parseArgs({
  options: {
    only: { type: "string", multiple: true },
    short: { type: "boolean", default: false },
    output: { type: "string", short: "o", default: "table" },
  },
});

const unknown = (values.only ?? []).filter((name) => !rows.some((row) => row.name === name));
if (unknown.length > 0 || !["table", "json"].includes(values.output)) {
  const names = rows.map(({ name }) => name).join(", ");
  process.stderr.write(`usage: npm run bench -- [--only NAME] [--short] [--output table|json]\nrows: ${names}\n`);
  process.exit(2);
}
const chosen = rows.filter(({ name, short }) => (values.only ? values.only.includes(name) : short || !values.short));

const figures: Figure[] = [];
const failures: Failure[] = [];
for (const row of chosen) {
  const { name } = row;
  const say = (text: string) => process.stderr.write(`${name}: ${text}\n`);
  say("measuring");
  try {
    figures.push(...(await row.measure({ short: values.short, say })));
  } catch (error) {
    failures.push({ row: name, error: error instanceof Error ? error.message : String(error) });
    if (error instanceof Error) say(error.stack ?? error.message);
  }
}

const machine = { node: process.version, cpu: cpus()[0]?.model ?? "unknown", cores: cpus().length };
if (values.output === "json") {
  process.stdout.write(`${JSON.stringify({ machine, figures, failures }, undefined, 2)}\n`);
} else {
  process.stdout.write(`Node ${machine.node}, ${machine.cores} x ${machine.cpu}\n\n${tableText(figures, failures)}`);
}
process.exitCode = failures.length > 0 ? 1 : 0;
