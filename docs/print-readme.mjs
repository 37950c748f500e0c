// Prints the tables of README.md from the code; with --write puts them in place.
import { readFileSync, writeFileSync } from "node:fs";
import { limitTable } from "../host/limits.ts";

const page = new URL("../README.md", import.meta.url);

/** Bytes in the largest unit that leaves a whole number. */
const bytes = (value) =>
  value % 2 ** 20 === 0 ? `${value / 2 ** 20} MiB` : value % 1024 === 0 ? `${value / 1024} KiB` : `${value} bytes`;

const duration = (value) => (value % 1_000 === 0 ? `${value / 1_000} s` : `${value} ms`);

const shown = (name, value) =>
  name.endsWith("Bytes")
    ? bytes(value)
    : name.endsWith("Ms")
      ? duration(value)
      : value.toLocaleString("en").replaceAll(",", " ");

const limits = [
  "| what | default | option |",
  "| --- | --- | --- |",
  ...Object.entries(limitTable).map(
    ([name, { default: usual, says }]) => `| ${says} | ${shown(name, usual)} | \`${name}\` |`,
  ),
];

/** The page with the table between its two marks replaced by today's. */
export function readmePage() {
  return readFileSync(page, "utf8").replace(
    /(<!-- limits -->\n)[^]*?(<!-- end -->)/,
    (_whole, begin, end) => `${begin}${limits.join("\n")}\n${end}`,
  );
}

if (import.meta.main) {
  if (process.argv[2] === "--write") writeFileSync(page, readmePage());
  else process.stdout.write(readmePage());
}
