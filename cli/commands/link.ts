import { Option, type Command } from "commander";
import { rowsOf, textOf, type Document } from "../client.ts";
import { collect, group, listOption, pair, textOption } from "../command.ts";
import { hostCommand } from "../host-command.ts";
import { latticeChoice } from "../lattice-access.ts";
import { viewOf } from "../views.ts";
import { rowsOnce } from "./get.ts";

export function command(): Command {
  return group("link", "allow an actor to use a provider", [put(), del(), query()]);
}

const linkNameOption = () => new Option("-l, --link-name <name>", 'link name, "default" when not said');

function put(): Command {
  return hostCommand({
    name: "put",
    summary: "let an actor use a provider; putting it again changes provider or values",
    args: [
      ["<actor>", "key, alias or name"],
      ["<provider>", "key, name or contract"],
      ["[values...]", "[CONTRACT] KEY=VALUE ..."],
    ],
    options: (made) =>
      made
        .addOption(linkNameOption())
        .addOption(new Option("--set <k=v>", "a value of the link, may be repeated").argParser(collect))
        .addOption(
          new Option(
            "--config-name <name>",
            "a named configuration whose values come before its own, may be repeated",
          ).argParser(collect),
        ),
    more: "Example:\n  lattice link put counter wasmcloud:httpserver address=127.0.0.1:8080",
    anyHost: true,
    work: async ({ output, words, host, options, timeoutMs }) => {
      const [actor = "", provider = "", ...rest] = words;
      const contractId = rest[0] !== undefined && !rest[0].includes("=") ? rest[0] : undefined;
      const values = [...rest.slice(contractId === undefined ? 0 : 1), ...listOption(options, "set")];
      const linkName = textOption(options, "linkName");
      const config = listOption(options, "configName");
      const answer = await host.call(
        "link.put",
        {
          actor,
          provider,
          ...(contractId === undefined ? {} : { contractId }),
          ...(linkName === undefined ? {} : { linkName }),
          ...(config.length === 0 ? {} : { config }),
          values: Object.fromEntries(values.map((value) => pair(value, "a link value"))),
        },
        timeoutMs,
      );
      const link = (answer.link ?? {}) as Document;
      const urls = Array.isArray(answer.urls) && answer.urls.length > 0 ? `: ${answer.urls.join(", ")}` : "";
      const contract = textOf(link, "contract_id") ?? "";
      const under = contract === provider ? "" : ` under ${contract}`;
      const text = `Linked ${actor} to ${provider}${under}, link name ${textOf(link, "link_name")}${urls}`;
      await output.show(answer, text, textOf(link, "id"));
    },
  });
}

function del(): Command {
  return hostCommand({
    name: "del",
    summary: "take a link back",
    args: [
      ["<actor>", "key, alias or name"],
      ["<contract>", "contract id"],
    ],
    options: (made) => made.addOption(linkNameOption()),
    anyHost: true,
    work: async ({ output, words: [actor = "", contractId = ""], host, options, timeoutMs }) => {
      const linkName = textOption(options, "linkName") ?? "default";
      const answer = await host.call("link.del", { actor, contractId, linkName }, timeoutMs);
      const link = `link of ${actor} to ${contractId}, link name ${linkName}`;
      await output.show(answer, answer.deleted === 0 ? `There was no ${link}` : `Took back the ${link}`, actor);
    },
  });
}

function query(): Command {
  return hostCommand({
    name: "query",
    summary: "list links",
    anyHost: true,
    work: async (call) => {
      const { output, host, timeoutMs } = call;
      // The host that runs a link's provider knows its URL: of a lattice all are asked.
      const rows = latticeChoice(call.options)?.asked
        ? await rowsOnce(call, "links")
        : rowsOf(await host.call("link.query", {}, timeoutMs), "links");
      await output.list({ document: { links: rows }, rows, ...viewOf("links") });
    },
  }).alias("list");
}
