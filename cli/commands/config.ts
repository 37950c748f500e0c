import { Option, type Command } from "commander";
import { counted, fail } from "../../lattice/index.ts";
import { rowsOf, textOf, type Document } from "../client.ts";
import { group, leaf, pairs } from "../command.ts";
import { hostCommand } from "../host-command.ts";
import { renderTree } from "../views.ts";
import { allSettings, secretSettings, type Setting } from "../context.ts";
import { withoutLogin } from "../nats-settings.ts";

export function command(): Command {
  return group("config", "named configurations that links share; settings of this command line", [
    put(),
    get(),
    list(),
    del(),
    view(),
  ]);
}

function put(): Command {
  return hostCommand({
    name: "put",
    summary: "set all values under a name; links that use it take effect with them at once",
    args: [["<words...>", "NAME KEY=VALUE ...; secrets as secret:env:NAME or secret:file:PATH"]],
    anyHost: true,
    more: "Example:\n  lattice config put store prefix=shop: && lattice link put counter wasmcloud:keyvalue --config-name store",
    work: async ({ output, words: [name = "", ...values], host, timeoutMs }) => {
      if (values.length === 0) throw fail("USAGE", "lattice config put needs a NAME and at least one KEY=VALUE");
      const answer = await host.call("config.put", { name, values: pairs(values, "a value") }, timeoutMs);
      for (const problem of rowsOf(answer, "problems")) output.warn(problemText(problem));
      const links = rowsOf(configurationOf(answer), "links").length;
      await output.show(answer, `Set configuration ${name}, used by ${counted(links, "link")}`, name);
    },
  });
}

function get(): Command {
  return hostCommand({
    name: "get",
    summary: "the values under a name, and the links that use them",
    args: [["<name>", "its name"]],
    anyHost: true,
    work: async ({ output, words: [name = ""], host, timeoutMs }) => {
      const answer = await host.call("config.get", { name }, timeoutMs);
      await output.show(answer, renderTree(configurationOf(answer)), name);
    },
  });
}

function list(): Command {
  return hostCommand({
    name: "list",
    summary: "named configurations",
    anyHost: true,
    work: async ({ output, host, timeoutMs }) => {
      const document = await host.call("config.list", {}, timeoutMs);
      await output.list({
        document,
        rows: rowsOf(document, "configurations"),
        columns: [
          { head: "NAME", cell: (row) => textOf(row, "name") },
          { head: "KEYS", cell: ({ values }) => Object.keys(values ?? {}).join(",") },
          { head: "LINKS", cell: (row) => rowsOf(row, "links").length },
          { head: "REVISION", cell: (row) => textOf(row, "revision"), wide: true },
        ],
        name: (row) => textOf(row, "name") ?? "",
        none: "There is no named configuration. Put one: lattice config put NAME KEY=VALUE",
      });
    },
  });
}

function del(): Command {
  return hostCommand({
    name: "del",
    summary: "delete a named configuration that no link uses",
    args: [["<name>", "its name"]],
    anyHost: true,
    work: async ({ output, words: [name = ""], host, timeoutMs }) => {
      const answer = await host.call("config.del", { name }, timeoutMs);
      await output.show(answer, `Deleted configuration ${name}`, name);
    },
  }).alias("delete");
}

function problemText(problem: Document): string {
  const message = textOf(problem, "message") ?? "";
  const actor = textOf(problem, "actor_id");
  if (actor === undefined) return message;
  return `link "${textOf(problem, "link_name")}" of ${actor} stays as it was: ${message}`;
}

function configurationOf(answer: Document): Document {
  return (answer.configuration ?? {}) as Document;
}

function view(): Command {
  return leaf({
    name: "view",
    summary: "the settings of this command line",
    options: (made) => made.addOption(new Option("--show-origin", "say which variable or file each comes from")),
    work: async ({ output, options }) => {
      const settings = allSettings().map(withoutSecret);
      const origin = options.showOrigin === true;
      await output.list({
        document: {
          settings: Object.fromEntries(
            settings.map(({ name, value, origin: from }) => [name, origin ? { value, origin: from } : value]),
          ),
        },
        rows: settings,
        columns: [
          { head: "SETTING", cell: ({ name }: Setting) => name },
          { head: "VALUE", cell: ({ value }: Setting) => value },
          ...(origin ? [{ head: "ORIGIN", cell: ({ origin: from }: Setting) => from }] : []),
        ],
        name: ({ name }) => name,
      });
    },
  });
}

function withoutSecret(setting: Setting): Setting {
  if (setting.name === "nats") return { ...setting, value: withoutLogin(setting.value) };
  if (!secretSettings.some((name) => name === setting.name)) return setting;
  const value = setting.value.trim();
  if (/^S[A-Z][A-Z2-7]{56}$/.test(value)) return { ...setting, value: "[seed]" };
  return value.startsWith("eyJ") ? { ...setting, value: "[token]" } : setting;
}
