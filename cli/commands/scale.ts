import { Option } from "commander";
import { fail } from "../../lattice/index.ts";
import { addAnnotationOption, annotationFilter, textOption, wholeNumber } from "../command.ts";
import { hostCommand } from "../host-command.ts";

export const command = () =>
  hostCommand({
    name: "scale",
    summary: "set how many instances of an actor may run, per engine",
    args: [["<words...>", "[actor] TARGET COUNT"]],
    options: (made) => {
      addAnnotationOption(made, "only the placements that were started with it");
      made
        .addOption(new Option("--instances <count>", "the count, when it is not a word of its own"))
        .addOption(new Option("-c, --max-concurrent <count>", "as --instances").hideHelp());
    },
    more: "Examples:\n  lattice scale counter 4\n  lattice scale actor counter --instances 4",
    about: (words, options) => ({
      kind: "actor",
      target: words[words[0] === "actor" ? 1 : 0] ?? "",
      ...annotationFilter(options),
    }),
    work: async ({ output, words, host, options, timeoutMs }) => {
      const rest = words[0] === "actor" ? words.slice(1) : words;
      const targets = rest.filter((word) => !/^N[A-Z2-7]{55}$/.test(word));
      const [target, last] = targets;
      const count = textOption(options, "instances") ?? textOption(options, "maxConcurrent") ?? last;
      if (target === undefined || count === undefined) throw fail("USAGE", "lattice scale needs TARGET and COUNT");
      const instances = wholeNumber(count, "COUNT", 1, 10_000);
      const answer = await host.call("scale", { target, instances, ...annotationFilter(options) }, timeoutMs);
      await output.show(answer, `${target} may run ${instances} instances per engine`, target);
    },
  });
