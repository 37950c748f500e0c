import { Option } from "commander";
import { fail } from "../../lattice/index.ts";
import { textOf, type Document } from "../client.ts";
import { referenceParameters } from "../files.ts";
import { hostCommand } from "../host-command.ts";
import { Progress } from "../progress.ts";

export const command = () =>
  hostCommand({
    name: "update",
    summary: "replace a running actor by another revision of it, without losing a call",
    args: [["<words...>", "[actor] TARGET NEW: the running actor, and where its new module is"]],
    options: (made) => made.addOption(new Option("--skip-wait", "accepted for wash").hideHelp()),
    about: (words) => ({ kind: "actor", target: words[words[0] === "actor" ? 1 : 0] ?? "" }),
    work: async ({ output, words, host, timeoutMs }) => {
      const rest = (words[0] === "actor" ? words.slice(1) : words).filter((word) => !/^N[A-Z2-7]{55}$/.test(word));
      const [target, reference] = rest;
      if (target === undefined || reference === undefined) throw fail("USAGE", "lattice update needs TARGET and NEW");
      const progress = new Progress(output);
      progress.step(`Updating ${target}`);
      const answer = await host
        .call("update", { target, ...(await referenceParameters(reference)) }, timeoutMs)
        .finally(() => progress.done());
      const actor = (answer.actor ?? {}) as Document;
      await output.show(answer, `Updated actor ${textOf(actor, "name")} (${textOf(actor, "id")})`, textOf(actor, "id"));
    },
  });
