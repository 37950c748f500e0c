import { harmlessLine } from "../../host/index.ts";
import { rowsOf, textOf } from "../client.ts";
import { hostCommand } from "../host-command.ts";

export const command = () =>
  hostCommand({
    name: "explain",
    summary: "show the path a call would take, and what holds it back",
    args: [
      ["<target>", "actor: key, alias, name or the beginning of one"],
      ["[towards]", "what the actor itself would call: an operation, contract (CONTRACT/LINK), actor or alias"],
    ],
    about: ([target = ""]) => ({ kind: "actor", target }),
    work: async ({ output, words: [target = "", operation], host, timeoutMs }) => {
      const document = await host.call(
        "explain",
        { target, ...(operation === undefined ? {} : { operation }) },
        timeoutMs,
      );
      const steps = rowsOf(document, "steps");
      const width = Math.max(0, ...steps.map((step) => (textOf(step, "step") ?? "").length));
      const lines = steps.flatMap((step) => {
        const ok = step.ok !== false;
        const mark = ok ? output.paint.green("ok") : output.paint.red("no");
        const code = textOf(step, "code");
        const line = `${mark}  ${(textOf(step, "step") ?? "").padEnd(width)}  ${harmlessLine(textOf(step, "text") ?? "")}`;
        const hint = textOf(step, "hint");
        const more = `${" ".repeat(width + 6)}${hint === undefined ? "" : `hint: ${hint}`}`;
        return [code === undefined ? line : `${line} (${code})`, ...(hint === undefined ? [] : [more])];
      });
      await output.show(document, lines.join("\n"), target);
    },
  });
