// Prints docs/errors.md from the error catalogue; with --write puts it in place.
import { writeFileSync } from "node:fs";
import { catalogue, kinds } from "../lattice/index.ts";

/** The words of a row with the names of its arguments in capitals. */
function words(text) {
  const names = /^\(?([^)=]*)\)?\s*=>/.exec(text.toString())?.[1] ?? "";
  const parameters = names
    .split(",")
    .map((name) => name.trim())
    .filter(Boolean);
  return text(...parameters.map((name) => name.toUpperCase()));
}

const cell = (text) => text.replaceAll("|", "\\|").replaceAll("\n", " ").replaceAll("<", "&lt;");

export function errorsPage() {
  const lines = [
    "# Errors",
    "",
    "Every failure has a code, a kind that says what to do, and a hint. Over HTTP it has a status, on the",
    "command line an exit code. This page is printed from `lattice/errors.ts` by `npm run errors`.",
    "",
    "## Kinds",
    "",
    "| kind | it means | what to do | HTTP | exit |",
    "| --- | --- | --- | --- | --- |",
    ...Object.entries(kinds).map(
      ([kind, { means, reader, http, exit }]) => `| \`${kind}\` | ${means} | ${reader} | ${http} | ${exit} |`,
    ),
    "",
    "The command line exits with 0 when all went well and with 130 after Ctrl-C.",
  ];
  for (const kind of Object.keys(kinds)) {
    lines.push(
      "",
      `## ${kind}`,
      "",
      "| code | message | HTTP | exit | what to do next |",
      "| --- | --- | --- | --- | --- |",
    );
    for (const [code, row] of Object.entries(catalogue)) {
      if (row.kind !== kind) continue;
      const http = row.http ?? kinds[kind].http;
      const exit = row.exit ?? kinds[kind].exit;
      lines.push(`| \`${code}\` | ${cell(words(row.text))} | ${http} | ${exit} | ${cell(row.hint ?? "")} |`);
    }
  }
  return `${lines.join("\n")}\n`;
}

const [flag] = process.argv.slice(2);
if (import.meta.main) {
  if (flag === "--write") writeFileSync(new URL("errors.md", import.meta.url), errorsPage());
  else process.stdout.write(errorsPage());
}
