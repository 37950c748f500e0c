import { Option, type Command } from "commander";
import { textOf, type Document } from "../client.ts";
import { group, textOption } from "../command.ts";
import { hostCommand } from "../host-command.ts";
import { Progress } from "../progress.ts";
import { stopHosts } from "../stopping.ts";

export function command(): Command {
  return group("stop", "stop an actor, a provider or a host", [actor(), provider(), host()]);
}

function actor(): Command {
  return hostCommand({
    name: "actor",
    summary: "let an actor finish its calls, then stop it",
    args: [["<target...>", "key, alias, name or the beginning of one"]],
    options: (made) =>
      made
        .addOption(new Option("--skip-wait", "accepted for wash; stopping is waited for").hideHelp())
        .addOption(new Option("--count <count>", "accepted for wash").hideHelp()),
    about: ([target = ""]) => ({ kind: "actor", target }),
    work: async ({ output, words, host: client, timeoutMs }) => {
      const [target = ""] = words;
      const progress = new Progress(output);
      progress.step(`Stopping ${target}`);
      const answer = await client.call("stop.actor", { target }, timeoutMs).finally(() => progress.done());
      const id = textOf((answer.actor ?? {}) as Document, "id") ?? target;
      await output.show(answer, `Stopped actor ${target === id ? id : `${target} (${id})`}`, id);
    },
  });
}

function provider(): Command {
  return hostCommand({
    name: "provider",
    summary: "let a provider finish its calls, then stop it",
    args: [["<target...>", "key, name or contract; wash's link name and contract id may follow"]],
    options: (made) =>
      made
        .addOption(new Option("-l, --link-name <name>", "the one that serves this link name"))
        .addOption(new Option("--skip-wait", "accepted for wash; stopping is waited for").hideHelp()),
    about: ([target = ""]) => ({ kind: "provider", target }),
    work: async ({ output, words, host: client, options, timeoutMs }) => {
      const [target = "", second] = words;
      const linkName = textOption(options, "linkName") ?? second;
      const progress = new Progress(output);
      progress.step(`Stopping ${target}`);
      const answer = await client
        .call("stop.provider", { target, ...(linkName === undefined ? {} : { linkName }) }, timeoutMs)
        .finally(() => progress.done());
      const id = textOf((answer.provider ?? {}) as Document, "id") ?? target;
      await output.show(answer, `Stopped provider ${target === id ? id : `${target} (${id})`}`, id);
    },
  });
}

function host(): Command {
  return stopHosts("host", "drain a host and end it");
}
