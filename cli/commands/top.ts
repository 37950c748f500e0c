import { setTimeout as pause } from "node:timers/promises";
import { counted } from "../../lattice/index.ts";
import { Option } from "commander";
import { rowsOf, textOf, type Document } from "../client.ts";
import { leaf, textOption, wholeNumber } from "../command.ts";
import { choiceOf, hostsFor } from "../discovery.ts";
import { parseDuration } from "../durations.ts";
import { addHostOptions } from "../host-command.ts";
import type { Output } from "../output.ts";
import { renderTable, type Column } from "../table.ts";

/** One actor on one host between two looks. */
interface Row {
  readonly actor: string;
  readonly id: string;
  readonly host: string;
  readonly host_id: string;
  readonly calls_per_second: number;
  readonly errors_per_second: number;
  /** Of one core, in per cent. */
  readonly cpu_percent: number;
  readonly busy: number;
  readonly running: number;
  readonly waiting: number;
  readonly memory_bytes: number;
}

const orders = ["cpu", "calls", "memory", "waiting", "errors"] as const;
const keyOf: Record<(typeof orders)[number], (row: Row) => number> = {
  cpu: (row) => row.cpu_percent,
  calls: (row) => row.calls_per_second,
  memory: (row) => row.memory_bytes,
  waiting: (row) => row.waiting,
  errors: (row) => row.errors_per_second,
};

/** What actors do, look after look, over every host. */
export const command = () =>
  leaf({
    name: "top",
    summary: "show what actors do now, the busiest first",
    options: (made) => {
      addHostOptions(made);
      made
        .addOption(new Option("--every <duration>", "time between two looks").default("1s"))
        .addOption(new Option("-n, --count <looks>", "end after so many looks"))
        .addOption(new Option("--sort <by>", "what comes first").choices([...orders]).default("cpu"));
    },
    work: async ({ output, options }) => {
      const every = parseDuration(textOption(options, "every") ?? "1s", "--every");
      const count = textOption(options, "count");
      const looks = count === undefined ? Number.POSITIVE_INFINITY : wholeNumber(count, "--count", 1, 1_000_000);
      const order = orders.find((known) => known === options.sort) ?? "cpu";
      let before = await look(options);
      for (let left = looks; left > 0; left--) {
        await pause(every);
        const now = await look(options);
        const rows = now.figures
          .flatMap((figure) => rowOf(figure, before.byId.get(idOf(figure)), (now.at - before.at) / 1_000))
          .toSorted((a, b) => keyOf[order](b) - keyOf[order](a));
        print(output, rows, now.hosts);
        before = now;
      }
    },
  });

interface Figure {
  readonly host: Document;
  readonly actor: Document;
  readonly calls: number;
  readonly errors: number;
  readonly cpuMs: number;
}

interface Look {
  readonly at: number;
  readonly hosts: number;
  readonly figures: readonly Figure[];
  readonly byId: ReadonlyMap<string, Figure>;
}

async function look(options: Parameters<typeof choiceOf>[0]): Promise<Look> {
  const hosts = await hostsFor(choiceOf(options));
  const inventories = await Promise.all(
    hosts.map(({ client }) => client.call("get.inventory", {}, 5_000).catch(() => ({ inventories: [] }))),
  );
  const all = inventories.flatMap((document) => rowsOf(document, "inventories"));
  const figures = all.flatMap((host) =>
    rowsOf(host, "actors").map((actor) => ({
      host,
      actor,
      calls: sum(actor, "calls"),
      errors: sum(actor, "errors"),
      cpuMs: sum(actor, "cpu_ms"),
    })),
  );
  const byId = new Map(figures.map((figure) => [idOf(figure), figure]));
  return { at: performance.now(), hosts: all.length, figures, byId };
}

function idOf({ host, actor }: Figure): string {
  return `${textOf(host, "host_id")} ${textOf(actor, "id")}`;
}

function sum(actor: Document, field: string): number {
  return rowsOf(actor, "instances").reduce((total, instance) => total + Number(instance[field] ?? 0), 0);
}

/** Counters that went back belong to an actor that was started anew. */
function rowOf({ host, actor, ...now }: Figure, before: Figure | undefined, seconds: number): Row[] {
  const rate = (value: number, earlier: number | undefined) =>
    Math.round((Math.max(0, value - (earlier ?? value)) / seconds) * 10) / 10;
  return [
    {
      actor: textOf(actor, "name") ?? "",
      id: textOf(actor, "id") ?? "",
      host: textOf(host, "friendly_name") ?? "",
      host_id: textOf(host, "host_id") ?? "",
      calls_per_second: rate(now.calls, before?.calls),
      errors_per_second: rate(now.errors, before?.errors),
      cpu_percent: rate(now.cpuMs / 10, before && before.cpuMs / 10),
      busy: sum(actor, "busy"),
      running: sum(actor, "running"),
      waiting: sum(actor, "waiting"),
      memory_bytes: sum(actor, "memory_bytes"),
    },
  ];
}

const columns: readonly Column<Row>[] = [
  { head: "ACTOR", cell: ({ actor }) => actor },
  { head: "HOST", cell: ({ host }) => host },
  { head: "CALLS/S", cell: (row) => row.calls_per_second },
  { head: "ERRORS/S", cell: (row) => row.errors_per_second },
  { head: "CPU %", cell: (row) => row.cpu_percent },
  { head: "BUSY", cell: ({ busy, running }) => `${busy}/${running}` },
  { head: "WAITING", cell: ({ waiting }) => waiting },
  { head: "MEMORY", cell: (row) => `${(row.memory_bytes / 2 ** 20).toFixed(1)} MiB` },
  { head: "ID", cell: ({ id }) => id, wide: true },
  { head: "HOST ID", cell: (row) => row.host_id, wide: true },
];

function print(output: Output, rows: readonly Row[], hosts: number): void {
  if (output.structured) {
    for (const row of rows) output.line(row);
    return;
  }
  const style = { wide: output.format === "wide", headers: output.options.headers, paint: output.paint };
  const title = output.paint.dim(`${counted(hosts, "host")}, ${counted(rows.length, "actor")}`);
  const clear = process.stdout.isTTY && process.env.TERM !== "dumb" ? "\u001b[H\u001b[2J" : "";
  output.text([`${clear}${title}`, ...renderTable({ rows, columns }, style)].join("\n"));
}
