import { Option } from "commander";
import { fail } from "../../lattice/index.ts";
import { leaf, type Options, textOption, wholeNumber } from "../command.ts";
import { examine, type Finding } from "../doctor/checks.ts";
import { setting } from "../context.ts";
import { thisMachine } from "../doctor/machine.ts";

export const command = () =>
  leaf({
    name: "doctor",
    summary: "check this machine, each line with its fix",
    options: (made) =>
      made
        .addOption(new Option("--port <port>", "port that HTTP actors will get").default("8080"))
        .addOption(new Option("--permissions", "print what NATS must allow, per role, instead of checking"))
        .addOption(new Option("--lattice <name>", "the lattice that the permissions are for"))
        .addOption(new Option("--policy-topic <subject>", "with --permissions: its hosts ask a policy service there"))
        .addOption(new Option("--policy-changes-topic <subject>", "with --permissions: and hear of changes there")),
    work: async ({ output, options }) => {
      if (options.permissions === true) {
        const { permissionsOf, permissionsText } = await import("../doctor/permissions.ts");
        const lattice = textOption(options, "lattice") ?? setting("lattice").value;
        const roles = permissionsOf(lattice, {
          controlPrefix: setting("control_prefix").value,
          policyTopic: policySubject(options, "policyTopic", "WASMCLOUD_POLICY_TOPIC"),
          policyChangesTopic: policySubject(options, "policyChangesTopic", "WASMCLOUD_POLICY_CHANGES_TOPIC"),
        });

        /** @throws LatticeError USAGE: a subject that is none would open more than it says. */
        function policySubject(options: Options, option: string, variable: string): string | undefined {
          const subject = textOption(options, option) ?? (process.env[variable] || undefined);
          if (subject === undefined || /^[^\s.*>"]+(\.[^\s.*>"]+)*$/.test(subject)) return subject;
          throw fail("USAGE", `"${subject}" is no subject for policies: names between dots, without * and >`);
        }
        await output.show({ success: true, lattice, roles }, permissionsText(lattice, roles));
        return;
      }
      const port = textOption(options, "port") ?? "8080";
      const findings = await examine(await thisMachine(wholeNumber(port, "--port", 0, 65_535), port !== "8080"));
      const errors = findings.filter(({ status }) => status === "error");
      const paint = { ok: output.paint.green, warning: output.paint.yellow, error: output.paint.red };
      const width = Math.max(...findings.map(({ name }) => name.length));
      const lines = findings.flatMap(({ name, status, message, fix }: Finding) => [
        `${paint[status](status.padEnd(7))}  ${name.padEnd(width)}  ${message}`,
        ...(fix === undefined ? [] : [`${" ".repeat(width + 11)}fix: ${fix}`]),
      ]);
      await output.show({ success: errors.length === 0, checks: findings }, lines.join("\n"));
      if (errors.length > 0) {
        throw fail(
          "PRECONDITION",
          `${errors.length} of ${findings.length} checks failed: ${errors.map(({ name }) => name).join(", ")}`,
        );
      }
    },
  });
