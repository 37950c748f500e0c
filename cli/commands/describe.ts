import { hostCommand } from "../host-command.ts";
import { renderTree } from "../views.ts";

export const command = () =>
  hostCommand({
    name: "describe",
    summary: "show one actor, provider or host in full",
    args: [["<target...>", "key, alias, name or their beginning; `host` for the host; a kind before it is allowed"]],
    about: (words) => {
      const target = words.at(-1) ?? "host";
      return target === "host" ? undefined : { kind: "any", target };
    },
    work: async ({ output, words, host, timeoutMs }) => {
      const target = words.at(-1) ?? "host";
      const document = await host.call("describe", { target }, timeoutMs);
      await output.show(document, renderTree(document), target);
    },
  });
