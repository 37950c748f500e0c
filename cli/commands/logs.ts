import { setTimeout as pause } from "node:timers/promises";
import { Option } from "commander";
import { harmless } from "../../host/index.ts";
import { describe, fail, isLatticeError } from "../../lattice/index.ts";
import { textOf, type Document } from "../client.ts";
import { leaf, textOption, wholeNumber } from "../command.ts";
import { choiceOf, type FoundHost, hostsFor } from "../discovery.ts";
import { parseDuration } from "../durations.ts";
import { addHostOptions, takeHostKey } from "../host-command.ts";
import { byTime, merged, nameOf, type Told } from "../merge.ts";
import type { Output } from "../output.ts";
import { actorKeyOn } from "../things.ts";

/** How often hosts are looked for that came later, in milliseconds. */
const lookEveryMs = 1_000;

export const command = () =>
  leaf({
    name: "logs",
    summary: "print the log of an actor",
    args: [["<target>", "actor: key, alias, name or the beginning of one"]],
    options: (made) => {
      addHostOptions(made);
      made
        .addOption(
          new Option(
            "-f, --follow",
            "go on with new lines, of instances and hosts that come later too, until it has stopped everywhere",
          ),
        )
        .addOption(new Option("-n, --tail <lines>", "only the last lines"))
        .addOption(new Option("--since <when>", "only lines of the last 5m, or since a time as 2024-05-01T12:00:00Z"))
        .addOption(new Option("--timestamps", "a time in front of each line"));
    },
    work: async (call) => {
      const { output } = call;
      const {
        words: [target = ""],
        options,
      } = takeHostKey(call);
      const choice = choiceOf(options);
      const hosts = await hostsFor(choice);
      const tail = textOption(options, "tail");
      const since = textOption(options, "since");
      const last = tail === undefined || tail === "-1" ? undefined : wholeNumber(tail, "--tail", 0, 1_000_000);
      // A whole name on one host is not the beginning of another one's elsewhere. One that has stopped has its name only.
      const query = {
        target: hosts.length === 1 ? target : ((await actorKeyOn(hosts, target)) ?? target),
        ...(options.follow === true ? { follow: true } : {}),
        ...(last === undefined ? {} : { tail: last }),
        ...(since === undefined ? {} : { since: moment(since) }),
      };
      // Every host is asked: also one where the actor has stopped keeps its lines for a while.
      let silent = 0;
      const follow = options.follow === true;
      const told = new NewLines();
      const lines = merged(hosts, (host) => told.of(host.id, host.client.stream("logs", query)), {
        onLost: ({ id }, error) => {
          silent++;
          if (!isAbsent(error)) output.warn(`host ${id} tells no more: ${describe(error)}`);
        },
        pick: (errors) => errors.find((error) => !isAbsent(error)) ?? errors[0],
        ...(follow ? { later: () => pause(lookEveryMs).then(() => hostsFor(choice)) } : {}),
      });
      const write = ({ host, row }: Told) => {
        const several = hosts.length - silent > 1 || told.hosts > 1;
        print(output, row, options.timestamps === true, several ? host : undefined);
      };
      if (follow) {
        for await (const told of lines) write(told);
        return;
      }
      const kept: Told[] = [];
      for await (const told of lines) kept.push(told);
      const inOrder = kept.toSorted(byTime);
      for (const told of last === undefined ? inOrder : last === 0 ? [] : inOrder.slice(-last)) write(told);
    },
  });

/** Lines that were not told before: a host that is asked again begins anew. */
class NewLines {
  /** By host and placement, the time of its last line. */
  readonly #last = new Map<string, Map<string, string>>();

  /** How many hosts told something. */
  get hosts(): number {
    return this.#last.size;
  }

  async *of(host: string, rows: AsyncIterable<Document>): AsyncGenerator<Document> {
    const before = new Map(this.#last.get(host));
    for await (const row of rows) {
      const [placement, time] = [textOf(row, "placement") ?? "", textOf(row, "time") ?? ""];
      const last = before.get(placement);
      if (last !== undefined && time <= last) continue;
      const known = this.#last.get(host) ?? new Map<string, string>();
      this.#last.set(host, known.set(placement, time));
      yield row;
    }
  }
}

function isAbsent(error: unknown): boolean {
  return isLatticeError(error) && error.code === "ACTOR_ABSENT";
}

/** Milliseconds since 1970 of a time, or of a duration before now. */
function moment(text: string): number {
  const time = /^\d{4}-/.test(text) ? Date.parse(text) : Date.now() - parseDuration(text, "--since");
  if (Number.isNaN(time)) throw fail("USAGE", `--since is "${text}", it must be a duration such as 5m, or a time`);
  return Math.max(0, time);
}

/** `host` when several tell. */
function print(output: Output, line: Document, timestamps: boolean, host: FoundHost | undefined): void {
  if (output.structured) return output.line(host ? { ...line, host_id: host.id } : line);
  const time = timestamps || output.format === "wide" ? `${textOf(line, "time") ?? ""} ` : "";
  const level = textOf(line, "level") ?? "info";
  const paint =
    level === "error" || level === "critical" ? output.paint.red : level === "warn" ? output.paint.yellow : plain;
  const text = harmless(textOf(line, "text") ?? "").replaceAll("\n", "\n    ");
  const who = host ? `${output.paint.dim(nameOf(host))} ` : "";
  output.text(`${output.paint.dim(time)}${who}${paint(level.padEnd(5))} ${text}`);
}

const plain = (text: string) => text;
