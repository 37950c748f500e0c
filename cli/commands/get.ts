import { Option, type Command } from "commander";
import { describe } from "../../lattice/index.ts";
import { type HostClient, rowsOf, textOf, type Document } from "../client.ts";
import { addAnnotationOption, annotationFilter, group, leaf, textOption, type Call, type Options } from "../command.ts";
import { choiceOf, type FoundHost, hostsFor } from "../discovery.ts";
import { addHostOptions, hostCommand, takeHostKey, timeoutOf } from "../host-command.ts";
import { latticeChoice } from "../lattice-access.ts";
import { byTime, merged, type Told } from "../merge.ts";
import type { Output } from "../output.ts";
import { viewOf, type Kind } from "../views.ts";
import { Rows, watchRows, watchWhole } from "../watching.ts";

export function command(): Command {
  return group("get", "list what a host holds", [
    hosts(),
    inventory(),
    rows("actors", "actors that run", "actor", (made) => {
      annotated(made);
      made.addOption(tag());
    }),
    rows("providers", "providers that run", "provider", annotated),
    rows("links", "links between actors and providers", "link"),
    rows("claims", "what the signatures of running actors say", "claim"),
    jobs(),
    events(),
  ]);
}

const tag = () => new Option("--tag <tag>", "only those whose token has this tag");
const annotated = (made: Command) => addAnnotationOption(made, "only those that were started with it");

/** Which rows of a list are wanted, as parameters of its verb. */
function filterOf(options: Options): object {
  const wanted = textOption(options, "tag");
  return {
    ...(wanted === undefined ? {} : { tag: wanted }),
    ...annotationFilter(options),
  };
}

const watch = () => new Option("-w, --watch", "go on and print what changes");

/** Every host of this machine, or the one chosen. */
function hosts(): Command {
  return leaf({
    name: "hosts",
    summary: "hosts of the lattice, or of this machine",
    options: (made) => {
      addHostOptions(made);
      made.addOption(watch());
    },
    work: async (call) => listing(call, "hosts", () => ask(call, "get.hosts", "hosts")),
  }).alias("host");
}

/** wash's shape: a list of inventories, one per host. */
function inventory(): Command {
  return leaf({
    name: "inventory",
    summary: "what runs on each host",
    args: [["[host-id]", "only this host"]],
    options: (made) => {
      addHostOptions(made);
      made.addOption(watch());
    },
    work: async (call) => {
      const [hostId] = call.args;
      const options = typeof hostId === "string" ? { ...call.options, hostId } : call.options;
      const read = () => ask({ ...call, options }, "get.inventory", "inventories");
      const print = (inventories: readonly Document[], isFirst = true) =>
        printInventories(call.output, inventories, isFirst);
      if (options.watch === true) await watchWhole(read, print);
      else await print(await read());
    },
  }).alias("inventories");
}

function rows(
  kind: Exclude<Kind, "hosts" | "events">,
  summary: string,
  singular: string,
  filters: (made: Command) => void = () => {},
): Command {
  return hostCommand({
    name: kind,
    summary,
    options: (made) => {
      filters(made);
      made.addOption(watch());
    },
    anyHost: true,
    work: async (call) => {
      const filter = filterOf(call.options);
      if (!latticeChoice(call.options)?.asked)
        return listing(call, kind, async () =>
          rowsOf(await call.host.call(`get.${kind}`, filter, call.timeoutMs), kind),
        );
      await listing(call, kind, () => rowsOnce(call, kind, filter));
    },
  }).alias(singular);
}

/** What every host of a lattice knows is listed once; what runs, once for each host. */
export async function rowsOnce(call: Call, kind: Kind, filter: object = {}): Promise<Document[]> {
  const rows = await ask(call, `get.${kind}`, kind, filter);
  if (kind === "actors" || kind === "providers") return rows;
  // The host that runs a link's provider knows its URL: it comes last and stays.
  const known = rows.toSorted((a, b) => rowsOf(a, "urls").length - rowsOf(b, "urls").length);
  return [...new Map(known.map((row) => [viewOf(kind).name(row), row])).values()];
}

/** Of every host: only the one that was asked knows its jobs. */
function jobs(): Command {
  return leaf({
    name: "jobs",
    summary: "work that was begun with --skip-wait",
    options: (made) => {
      addHostOptions(made);
      made.addOption(watch());
    },
    work: async (call) => listing(call, "jobs", () => ask(call, "get.jobs", "jobs")),
  }).alias("job");
}

function events(): Command {
  return leaf({
    name: "events",
    summary: "what happened on hosts, in order of time",
    args: [["[host-id]", "only this host"]],
    options: (made) => {
      addHostOptions(made);
      made.addOption(watch());
    },
    work: async (call) => {
      const { output } = call;
      const { options } = takeHostKey(call);
      const hosts = await hostsFor(choiceOf(options));
      const several = hosts.length > 1;
      const named = ({ host, row }: Told) => (several ? { ...row, host_id: host.id } : row);
      const follow = options.watch === true;
      const told = merged(hosts, ({ client }) => eventsOf(client, follow, timeoutOf(options)), {
        onLost: ({ id }, error) => output.warn(`host ${id} tells no more: ${describe(error)}`),
      });
      if (!follow) {
        const all: Told[] = [];
        for await (const each of told) all.push(each);
        const events = all.toSorted(byTime).map(named);
        return output.list({ document: { events }, rows: events, ...viewOf("events") });
      }
      const rows = new Rows(output, "events");
      for await (const each of told) rows.print([named(each)]);
    },
  }).alias("event");
}

async function* eventsOf(client: HostClient, follow: boolean, timeoutMs: number | undefined): AsyncGenerator<Document> {
  if (follow) yield* client.stream("get.events", { follow });
  else yield* rowsOf(await client.call("get.events", {}, timeoutMs), "events");
}

/** The rows of a verb from every host that the command means. */
async function ask(call: Call, verb: string, list: string, parameters: object = {}): Promise<Document[]> {
  const choice = choiceOf(call.options);
  const found = await hostsFor(choice);
  const timeoutMs = timeoutOf(call.options) ?? 5_000;
  const [only, ...others] = found;
  if (others.length === 0)
    return withHost(only, list, rowsOf(await only.client.call(verb, parameters, timeoutMs), list));
  const answers = await Promise.allSettled(
    found.map(async ({ client }) => rowsOf(await client.call(verb, parameters, timeoutMs), list)),
  );
  return answers.flatMap((answer, at) => {
    if (answer.status === "fulfilled") return withHost(found[at]!, list, answer.value);
    call.output.warn(`host ${found[at]?.id ?? ""} does not answer`);
    return [];
  });
}

/** What runs says where. */
function withHost({ id }: FoundHost, list: string, rows: Document[]): Document[] {
  return list === "actors" || list === "providers" || list === "jobs"
    ? rows.map((row) => ({ ...row, host_id: id }))
    : rows;
}

/** Prints a list once; with --watch goes on with what changes. */
async function listing(call: Call, kind: Kind, read: () => Promise<Document[]>): Promise<void> {
  const { output, options } = call;
  if (options.watch === true) return watchRows(output, kind, read);
  const rows = await read();
  await output.list({ document: { [kind]: rows }, rows, ...viewOf(kind) });
}

async function printInventories(output: Output, inventories: readonly Document[], isFirst: boolean): Promise<void> {
  if (output.structured) return output.document({ inventories });
  if (output.format === "name") {
    for (const one of inventories) output.text(textOf(one, "host_id") ?? "");
    return;
  }
  for (const [at, one] of inventories.entries()) {
    if (at > 0 || !isFirst) output.text("");
    output.text(output.paint.bold(`Host ${textOf(one, "host_id")} (${textOf(one, "friendly_name")})`));
    for (const kind of ["actors", "providers"] as const) {
      const found = rowsOf(one, kind);
      if (found.length === 0) output.text(`\n${viewOf(kind).none}`);
      else {
        output.text("");
        new Rows(output, kind).print(found);
      }
    }
  }
}
