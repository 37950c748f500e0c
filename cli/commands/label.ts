import type { Command } from "commander";
import { fail } from "../../lattice/index.ts";
import { textOf } from "../client.ts";
import { group, pair } from "../command.ts";
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
    work: async ({ output, words, host, timeoutMs }) => {
      const labels = words.map((word) => pair(word, "a label"));
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
    work: async ({ output, words, host, timeoutMs }) => {
      if (words.length === 0) throw fail("USAGE", "lattice label del needs a KEY");
      for (const key of words) {
        const answer = await host.call("label.del", { key }, timeoutMs);
        output.detail(textOf(answer, "key") ?? key);
      }
      await output.show({ keys: words }, `Took back ${words.join(" ")}`, words.join(" "));
    },
  });
}
