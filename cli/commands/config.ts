import { Option, type Command } from "commander";
import { group, leaf } from "../command.ts";
import { allSettings, secretSettings, type Setting } from "../context.ts";

export function command(): Command {
  return group("config", "show settings and where each comes from", [view()]);
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
  const isSeed = /^S[A-Z][A-Z2-7]{56}$/.test(setting.value.trim());
  return isSeed && secretSettings.some((name) => name === setting.name) ? { ...setting, value: "[seed]" } : setting;
}
