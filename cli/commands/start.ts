import { Option, type Command } from "commander";
import { defaultLinkName, fail, failFrom, describe } from "../../lattice/index.ts";
import { hostByAuction } from "../auction.ts";
import { textOf, type Document } from "../client.ts";
import {
  addAnnotationOption,
  annotationsOf,
  collect,
  group,
  listOption,
  type Options,
  pairs,
  textOption,
  wholeNumber,
} from "../command.ts";
import { readBytes, referenceParameters } from "../files.ts";
import { hostCommand } from "../host-command.ts";
import { askOrBegin, skipWait } from "../jobs.ts";
import { placed, processOption } from "../process-option.ts";

export function command(): Command {
  return group("start", "start an actor or a provider", [actor(), provider()]);
}

const constrain = () =>
  new Option("-c, --constraint <k=v>", "a label that the host must carry, may be repeated").argParser(collect);

function actor(): Command {
  return hostCommand({
    name: "actor",
    summary: "start an actor from a file, - (standard input), an https URL or an image",
    args: [["<reference>", "where the signed module is"]],
    options: (made) => {
      addAnnotationOption(made, "a label of this placement");
      made
        .addOption(new Option("--instances <count>", "most instances at once, per engine"))
        .addOption(new Option("--max-concurrent <count>", "as --instances; 0 leaves it to the host").hideHelp())
        .addOption(new Option("--env <k=v>", "configuration of the actor, may be repeated").argParser(collect))
        .addOption(constrain())
        .addOption(skipWait());
    },
    host: ([reference = ""], options, output) =>
      hostByAuction(options, { kind: "actor", reference }, constraintsOf(options), output),
    work: async (call) => {
      const { options, words, output } = call;
      const [reference = ""] = words;
      const instances = textOption(options, "instances") ?? textOption(options, "maxConcurrent");
      const answer = await askOrBegin(call, "start.actor", `Starting ${reference}`, {
        ...(await referenceParameters(reference)),
        ...(instances === undefined || instances === "0"
          ? {}
          : { instances: wholeNumber(instances, "--instances", 1, 10_000) }),
        annotations: annotationsOf(options),
        env: pairs(listOption(options, "env"), "--env"),
      });
      if (answer === undefined) return;
      const started = (answer.actor ?? {}) as Document;
      await output.show(
        answer,
        `Started actor ${textOf(started, "name")} (${textOf(started, "id")})`,
        textOf(started, "id"),
      );
    },
  });
}

function provider(): Command {
  return hostCommand({
    name: "provider",
    summary: "start one of our providers (builtin:NAME, or a contract id for its default) or an archive",
    args: [["<reference>", "for example builtin:keyvalue-memory, wasmcloud:httpserver, ./x.par or an image"]],
    options: (made) => {
      addAnnotationOption(made, "a label of this placement");
      made
        .addOption(new Option("-l, --link-name <name>", "link name it serves"))
        .addOption(new Option("--config <k=v>", "a setting of the provider, may be repeated").argParser(collect))
        .addOption(processOption())
        .addOption(new Option("--config-json <file>", "settings as a JSON object of texts"))
        .addOption(constrain())
        .addOption(skipWait());
    },
    host: async ([reference = ""], options, output) => {
      const linkName = textOption(options, "linkName") ?? defaultLinkName;
      // Nobody would bid for it, and nobody would say why.
      if (reference.startsWith("builtin:")) await checkBuiltin(reference);
      const what = { kind: "provider", reference: placed(reference, options), linkName } as const;
      return hostByAuction(options, what, constraintsOf(options), output);
    },
    work: async (call) => {
      const { options, words, output } = call;
      const reference = placed(words[0] ?? "", options);
      const file = textOption(options, "configJson");
      const linkName = textOption(options, "linkName");
      const isArchive = /\.par(\.gz)?$/i.test(reference);
      const answer = await askOrBegin(call, "start.provider", `Starting ${reference}`, {
        ...(isArchive ? await referenceParameters(reference) : { reference }),
        ...(linkName === undefined ? {} : { linkName }),
        config: {
          ...(file === undefined ? {} : readConfig(file)),
          ...pairs(listOption(options, "config"), "--config"),
        },
        annotations: annotationsOf(options),
      });
      if (answer === undefined) return;
      const started = (answer.provider ?? {}) as Document;
      const text = `Started provider ${textOf(started, "name")} (${textOf(started, "id")}) for ${textOf(started, "contract_id")}, link name ${textOf(started, "link_name")}`;
      await output.show(answer, text, textOf(started, "id"));
    },
  });
}

async function checkBuiltin(reference: string): Promise<void> {
  const { builtins } = await import("../../capabilities/index.ts");
  if (builtins.has(reference)) return;
  const { didYouMean } = await import("../../host/index.ts");
  throw fail("BUILTIN_ABSENT", reference, didYouMean(reference, builtins.keys()));
}

function constraintsOf(options: Options): Record<string, string> {
  return pairs(listOption(options, "constraint"), "--constraint");
}

function readConfig(file: string): Record<string, string> {
  let value: unknown;
  try {
    value = JSON.parse(readBytes(file).toString("utf8"));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw failFrom(error, "FILE_UNREADABLE", file, describe(error));
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw fail("FILE_UNREADABLE", file, "not a JSON object");
  }
  return Object.fromEntries(
    Object.entries(value).map(([key, entry]) => [key, typeof entry === "string" ? entry : JSON.stringify(entry)]),
  );
}
