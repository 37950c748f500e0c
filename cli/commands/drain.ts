import { textOf, type Document } from "../client.ts";
import { hostCommand } from "../host-command.ts";
import { Progress } from "../progress.ts";

export const command = () =>
  hostCommand({
    name: "drain",
    summary: "let a host finish what it holds and take no more",
    args: [["[host]", "the word `host`, or its id"]],
    careful: true,
    work: async ({ output, host, timeoutMs }) => {
      const progress = new Progress(output);
      progress.step("Draining");
      const answer = await host
        .call(
          "drain",
          timeoutMs === undefined ? {} : { timeoutMs },
          timeoutMs === undefined ? undefined : timeoutMs + 2_000,
        )
        .finally(() => progress.done());
      const id = textOf((answer.host ?? {}) as Document, "id");
      await output.show(answer, `Drained host ${id}; stop it with lattice down`, id);
    },
  });
