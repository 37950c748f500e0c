import type { Command } from "commander";
import { fail } from "../../lattice/index.ts";
import { textOf } from "../client.ts";
import { group, type Options, pair } from "../command.ts";
import { hostCalled, oneHost } from "../discovery.ts";
import { hostCommand } from "../host-command.ts";

/** Labels of a running host, by which auctions choose. */
export function command(): Command {
  return group("label", "set labels of a host", [put(), del()]);
}

function put(): Command {
  return hostCommand({
    name: "put",
    summary: "set labels; those that are there change",
    args: [["<labels...>", "[HOST] KEY=VALUE ..."]],
    host: ([first = "="], options, output) =>
      oneHost(first.includes("=") ? options : { ...options, hostId: first }, output),
    work: async ({ output, words, host, timeoutMs }) => {
      const given = words[0]?.includes("=") ? words : words.slice(1);
      if (given.length === 0) throw fail("USAGE", "lattice label put needs a KEY=VALUE");
      const labels = given.map((word) => pair(word, "a label"));
      for (const [key, value] of labels) await host.call("label.put", { key, value }, timeoutMs);
      const text = labels.map(([key, value]) => `${key}=${value}`).join(" ");
      await output.show({ labels: Object.fromEntries(labels) }, `Set ${text}`, text);
    },
  });
}

function del(): Command {
  return hostCommand({
    name: "del",
    summary: "take labels back",
    args: [["<keys...>", "[HOST] KEY ..."]],
    host: async (words, options, output) =>
      oneHost((await startsWithHost(words, options)) ? { ...options, hostId: words[0] } : options, output),
    work: async ({ output, words, options, host, timeoutMs }) => {
      const keys = (await startsWithHost(words, options)) ? words.slice(1) : words;
      if (keys.length === 0) throw fail("USAGE", "lattice label del needs a KEY");
      for (const key of keys) {
        const answer = await host.call("label.del", { key }, timeoutMs);
        output.detail(textOf(answer, "key") ?? key);
      }
      await output.show({ keys }, `Took back ${keys.join(" ")}`, keys.join(" "));
    },
  });
}

async function startsWithHost(words: readonly string[], options: Options): Promise<boolean> {
  const [first = "", ...keys] = words;
  return keys.length > 0 && (await hostCalled(first, options)) !== undefined;
}
