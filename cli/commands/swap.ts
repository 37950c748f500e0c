import { Option } from "commander";
import { fail } from "../../lattice/index.ts";
import { textOf, type Document } from "../client.ts";
import { collect, listOption, type Options, pairs, textOption } from "../command.ts";
import { parseDuration } from "../durations.ts";
import { referenceParameters } from "../files.ts";
import { hostCommand } from "../host-command.ts";
import type { Output } from "../output.ts";
import { placed, processOption } from "../process-option.ts";

const words =
  "PROVIDER NEW: its key, name or contract; a reference, or memory, sqlite:FILE, redis://HOST, nats (with --to-host the same again when left out)";

export const command = () =>
  hostCommand({
    name: "swap",
    summary: "put another provider in the place of a running one, without losing a call",
    args: [["<words...>", words]],
    options: (made) =>
      made
        .addOption(new Option("-l, --link-name <name>", "the one that serves this link name"))
        .addOption(
          new Option(
            "--to-host <host>",
            "the host on which the new one shall run: its id, the beginning of it, or its name",
          ),
        )
        .addOption(processOption())
        .addOption(new Option("--copy-state", "take the entries of the store along; calls wait meanwhile"))
        .addOption(new Option("--trial <duration>", "how long the old one stays ready to serve again").default("10s"))
        .addOption(new Option("--drain <duration>", "longest wait for the calls that the old one holds"))
        .addOption(new Option("--config <k=v>", "a setting of the new one, may be repeated").argParser(collect))
        .addOption(new Option("-y, --yes", "accept that a large copy makes calls wait")),
    about: ([target = ""]) => ({ kind: "provider", target }),
    work: async ({ output, words: given, host, options }) => {
      const [target, named, ...more] = given;
      const reference = named === undefined ? undefined : placed(named, options);
      const toHost = textOption(options, "toHost");
      if (target === undefined || (reference === undefined && toHost === undefined) || more.length > 0)
        throw fail("USAGE", "lattice swap needs PROVIDER and NEW, or PROVIDER and --to-host");
      const steps: Document[] = [];
      let last: Document | undefined;
      const next = await nextOf(reference, toHost);
      for await (const line of host.stream("swap", { target, ...next, ...wishes(options) })) {
        if (textOf(line, "outcome") !== undefined) last = line;
        else if (output.format === "jsonl") output.line(line);
        else {
          steps.push(line);
          if (!output.structured) output.note(stepText(line));
        }
      }
      if (last === undefined) throw fail("HOST_ABSENT", host.where);
      await show(output, target, reference ?? target, output.format === "jsonl" ? last : { ...last, steps });
    },
  });

/** A file of this machine is sent along; another host gets its archives by reference. */
async function nextOf(reference: string | undefined, toHost: string | undefined): Promise<object> {
  const where = toHost === undefined ? {} : { toHost };
  if (reference === undefined) return where;
  const sent = toHost === undefined && /\.par(\.gz)?$/i.test(reference);
  return { ...(sent ? await referenceParameters(reference) : { reference }), ...where };
}

function wishes(options: Options): object {
  const linkName = textOption(options, "linkName");
  const drain = textOption(options, "drain");
  const config = pairs(listOption(options, "config"), "--config");
  return {
    trialMs: parseDuration(textOption(options, "trial") ?? "10s", "--trial"),
    copyState: options.copyState === true,
    acceptPause: options.yes === true,
    ...(linkName === undefined ? {} : { linkName }),
    ...(drain === undefined ? {} : { drainMs: parseDuration(drain, "--drain") }),
    ...(Object.keys(config).length === 0 ? {} : { config }),
  };
}

/** @throws LatticeError SWAP_RETURNED when the new one failed its trial. */
async function show(output: Output, target: string, reference: string, last: Document): Promise<void> {
  const provider = (last.provider ?? {}) as Document;
  const [name = "", id = ""] = [textOf(provider, "name"), textOf(provider, "id")];
  if (textOf(last, "outcome") === "returned") {
    if (output.structured) await output.document(last);
    throw fail("SWAP_RETURNED", name, reference, textOf(last, "reason") ?? "");
  }
  const figures = ["calls", "waited", "lost"].map((figure) => `${textOf(last, figure)} ${figure}`).join(", ");
  const where = textOf(last, "host");
  const text = `Swapped ${target} for ${name} (${id})${where === undefined ? "" : ` on ${where}`}: ${figures}, pause ${textOf(last, "pause_ms")} ms`;
  await output.show(last, text, id);
}

function stepText(line: Document): string {
  const at = `${textOf(line, "at_ms")} ms`;
  return `${at.padStart(9)}  ${(textOf(line, "step") ?? "").padEnd(8)}  ${textOf(line, "text")}`;
}
