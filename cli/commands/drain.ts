import { fail } from "../../lattice/index.ts";
import { textOf, type Document } from "../client.ts";
import { leaf } from "../command.ts";
import { oneHost } from "../discovery.ts";
import { addHostOptions, timeoutOf } from "../host-command.ts";
import { Progress } from "../progress.ts";

export const command = () =>
  leaf({
    name: "drain",
    summary: "let a host finish what it holds and take no more",
    args: [["[host]", "its id, the beginning of it, or its name; needed when several run here"]],
    options: addHostOptions,
    work: async ({ output, options, args: [word] }) => {
      if (word === "provider" || word === "cache") throw fail("USAGE", `this build drains hosts, not a ${word}`);
      const named = typeof word === "string" && word !== "host" ? { ...options, hostId: word } : options;
      const host = await oneHost(named, output, true);
      const timeoutMs = timeoutOf(options);
      const progress = new Progress(output);
      progress.step("Draining");
      const answer = await host
        .call("drain", timeoutMs === undefined ? {} : { timeoutMs }, timeoutMs && timeoutMs + 2_000)
        .finally(() => progress.done());
      const id = textOf((answer.host ?? {}) as Document, "id");
      await output.show(answer, `Drained host ${id}; stop it with lattice down`, id);
    },
  });
