import { Option, type Command } from "commander";
import { counted } from "../../lattice/index.ts";
import { textOf, type Document } from "../client.ts";
import { addAnnotationOption, annotationFilter, group, textOption, wholeNumber } from "../command.ts";
import { hostCommand } from "../host-command.ts";
import { askOrBegin, skipWait } from "../jobs.ts";
import { stopHosts } from "../stopping.ts";

export function command(): Command {
  return group("stop", "stop an actor, a provider or a host", [actor(), provider(), host()]);
}

function actor(): Command {
  return hostCommand({
    name: "actor",
    summary: "let an actor finish its calls, then stop it",
    args: [["<target...>", "key, alias, name or the beginning of one"]],
    options: (made) => {
      addAnnotationOption(made, "only those that were started with it");
      made
        .addOption(new Option("--count <count>", "how many instances fewer; 0, the default, means all of them"))
        .addOption(skipWait());
    },
    about: ([target = ""], options) => ({ kind: "actor", target, ...annotationFilter(options) }),
    work: async (call) => {
      const { output, words, options } = call;
      const [target = ""] = words;
      const said = textOption(options, "count");
      const count = said === undefined ? 0 : wholeNumber(said, "--count", 0, 65_535);
      const parameters = { target, ...(count === 0 ? {} : { count }), ...annotationFilter(options) };
      const answer = await askOrBegin(call, "stop.actor", `Stopping ${target}`, parameters);
      if (answer === undefined) return;
      const id = textOf((answer.actor ?? {}) as Document, "id") ?? target;
      const some = count === 0 ? "" : `${counted(count, "instance")} of `;
      await output.show(answer, `Stopped ${some}actor ${target === id ? id : `${target} (${id})`}`, id);
    },
  });
}

function provider(): Command {
  return hostCommand({
    name: "provider",
    summary: "let a provider finish its calls, then stop it",
    args: [["<target...>", "key, name or contract; wash's link name and contract id may follow"]],
    options: (made) => {
      addAnnotationOption(made, "only the one that was started with it");
      made.addOption(new Option("-l, --link-name <name>", "the one that serves this link name")).addOption(skipWait());
    },
    about: ([target = ""], options) => ({ kind: "provider", target, ...annotationFilter(options) }),
    work: async (call) => {
      const { output, words, options } = call;
      const [target = "", second] = words;
      const linkName = textOption(options, "linkName") ?? second;
      const parameters = { target, ...(linkName === undefined ? {} : { linkName }), ...annotationFilter(options) };
      const answer = await askOrBegin(call, "stop.provider", `Stopping ${target}`, parameters);
      if (answer === undefined) return;
      const id = textOf((answer.provider ?? {}) as Document, "id") ?? target;
      await output.show(answer, `Stopped provider ${target === id ? id : `${target} (${id})`}`, id);
    },
  });
}

function host(): Command {
  return stopHosts({
    name: "host",
    summary: "drain a host and end it",
    all: "every host of the lattice, or of this machine",
  });
}
