import { Option } from "commander";
import { harmless } from "../../host/index.ts";
import { fail } from "../../lattice/index.ts";
import { textOf, type Document } from "../client.ts";
import { textOption, wholeNumber } from "../command.ts";
import { parseDuration } from "../durations.ts";
import { hostCommand } from "../host-command.ts";
import type { Output } from "../output.ts";

export const command = () =>
  hostCommand({
    name: "logs",
    summary: "print the log of an actor",
    args: [["<target>", "actor: key, alias, name or the beginning of one"]],
    options: (made) =>
      made
        .addOption(new Option("-f, --follow", "go on with new lines"))
        .addOption(new Option("-n, --tail <lines>", "only the last lines"))
        .addOption(new Option("--since <when>", "only lines of the last 5m, or since a time as 2024-05-01T12:00:00Z"))
        .addOption(new Option("--timestamps", "a time in front of each line")),
    about: ([target = ""]) => ({ kind: "actor", target }),
    work: async ({ output, words: [target = ""], host, options }) => {
      const tail = textOption(options, "tail");
      const since = textOption(options, "since");
      const lines = host.stream("logs", {
        target,
        ...(options.follow === true ? { follow: true } : {}),
        ...(tail === undefined || tail === "-1" ? {} : { tail: wholeNumber(tail, "--tail", 0, 1_000_000) }),
        ...(since === undefined ? {} : { since: moment(since) }),
      });
      for await (const line of lines) print(output, line, options.timestamps === true);
    },
  });

/** Milliseconds since 1970 of a time, or of a duration before now. */
function moment(text: string): number {
  const time = /^\d{4}-/.test(text) ? Date.parse(text) : Date.now() - parseDuration(text, "--since");
  if (Number.isNaN(time)) throw fail("USAGE", `--since is "${text}", it must be a duration such as 5m, or a time`);
  return Math.max(0, time);
}

function print(output: Output, line: Document, timestamps: boolean): void {
  if (output.structured) return output.line(line);
  const time = timestamps || output.format === "wide" ? `${textOf(line, "time") ?? ""} ` : "";
  const level = textOf(line, "level") ?? "info";
  const paint =
    level === "error" || level === "critical" ? output.paint.red : level === "warn" ? output.paint.yellow : plain;
  const text = harmless(textOf(line, "text") ?? "").replaceAll("\n", "\n    ");
  output.text(`${output.paint.dim(time)}${paint(level.padEnd(5))} ${text}`);
}

const plain = (text: string) => text;
