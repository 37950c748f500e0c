// Prints the tables of docs/host.md from the code; with --write puts them in place.
import { readFileSync, writeFileSync } from "node:fs";
import { limitTable } from "../host/limits.ts";
import { metricTable } from "../host/host-metrics.ts";
import { eventNames } from "../host/events.ts";

const page = new URL("host.md", import.meta.url);

const tables = {
  limits: [
    "| name | default | range | bounds |",
    "| --- | --- | --- | --- |",
    ...Object.entries(limitTable).map(
      ([name, { default: usual, min, max, says }]) => `| \`${name}\` | ${usual} | ${min} to ${max} | ${says} |`,
    ),
  ],
  metrics: [
    "| name | type | labels | meaning |",
    "| --- | --- | --- | --- |",
    ...Object.entries(metricTable).map(
      ([name, { type, labels, help }]) =>
        `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(" ")} | ${help} |`,
    ),
  ],
  events: [eventNames.map((name) => `\`${name}\``).join(", ")],
};

/** The page with each table between its two marks replaced by today's. */
export function hostPage() {
  return Object.entries(tables).reduce(
    (text, [name, lines]) =>
      text.replace(
        new RegExp(`(<!-- ${name} -->\n)[^]*?(<!-- end -->)`),
        (_whole, begin, end) => `${begin}${lines.join("\n")}\n${end}`,
      ),
    readFileSync(page, "utf8"),
  );
}

if (import.meta.main) {
  if (process.argv[2] === "--write") writeFileSync(page, hostPage());
  else process.stdout.write(hostPage());
}
