import { Option } from "commander";
import type { ModuleReport } from "../../actors/index.ts";
import { leaf } from "../command.ts";
import { asError, inspectReference, tokenOf } from "../inspection.ts";
import { renderPairs } from "../table.ts";

const refused = 4;

export const command = () =>
  leaf({
    name: "inspect",
    summary: "say everything about a file that can be known without running it",
    args: [["<file>", "file, - for standard input, https URL or image: actor, component, command, provider archive"]],
    options: (made) =>
      made
        .addOption(new Option("--check", "exit with 4 unless a host would load it"))
        .addOption(new Option("--jwt-only", "print the token alone")),
    work: async ({ output, options, args: [reference] }) => {
      const inspected = await inspectReference(String(reference));
      const { report } = inspected;
      if (options.jwtOnly === true) {
        const token = await tokenOf(inspected);
        return output.show({ token }, token);
      }
      await output.show({ ...report }, describeReport(report, inspected.origin), report.module ?? report.kind);
      const [problem] = report.problems;
      if (problem === undefined) return;
      if (options.check === true) {
        output.failure(asError(problem));
        process.exitCode = refused;
      } else if (problem.code === "MODULE_NOT_WASM") throw asError(problem);
    },
  });

function describeReport(report: ModuleReport, origin: string): string {
  const { size, size_without_debug: code, memory } = report;
  const debug = code === null || code === size ? "" : ` (${code} without debug sections)`;
  const revision = report.revision === null ? "" : ` (revision ${report.revision})`;
  const pairs = renderPairs([
    ["File", origin],
    ["Kind", report.portable_provider ? `${report.kind}, a portable provider` : report.kind],
    ["Era", report.era === null ? undefined : `${report.era}${report.language === null ? "" : `, ${report.language}`}`],
    ["Name", report.name ?? undefined],
    ["Module", report.module ?? undefined],
    ["Account", report.account ?? undefined],
    ["Vendor", report.vendor ?? undefined],
    ["Version", report.version === null && revision === "" ? undefined : `${report.version ?? "-"}${revision}`],
    ["Call alias", report.call_alias ?? undefined],
    ["Capabilities", report.capabilities.join(", ")],
    ["Tags", report.tags.join(", ")],
    ["Issued", report.issued_at ?? undefined],
    ["Expires", report.module === null ? undefined : (report.expires_at ?? "never")],
    ["Not before", report.not_before ?? undefined],
    ["Hash", report.hash ?? undefined],
    ["Targets", report.targets.join(", ")],
    ["Imports", names(report.imports.map(({ module, name }) => (module === "" ? name : `${module}.${name}`)))],
    ["Exports", names(report.exports.map(({ name }) => name))],
    ["Memory", memory === null ? undefined : memoryText(memory)],
    ["Size", `${size} bytes${debug}`],
    ["Valid", report.valid ? "yes" : "no"],
  ]);
  return [pairs, ...report.problems.map(({ code: problem, message }) => `  - ${message} (${problem})`)].join("\n");
}

function memoryText({ initial_bytes, maximum_bytes, imported }: NonNullable<ModuleReport["memory"]>): string {
  const most = maximum_bytes === null ? "no maximum" : `at most ${maximum_bytes}`;
  return `${initial_bytes} bytes at first, ${most}${imported ? ", imported" : ""}`;
}

/** The first ones; large modules have hundreds. */
function names(all: readonly string[]): string {
  const most = 12;
  return all.length <= most ? all.join(", ") : `${all.slice(0, most).join(", ")} and ${all.length - most} more`;
}
