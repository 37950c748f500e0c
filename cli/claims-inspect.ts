import { Option, type Command } from "commander";
import { fail, type ErrorCode } from "../lattice/index.ts";
import { leaf } from "./command.ts";
import type { ModuleReport } from "../actors/index.ts";
import { asError, inspectReference, tokenOf } from "./inspection.ts";
import { renderPairs } from "./table.ts";

/** wash's names for contracts; others are shown as they are. */
const displayNames: Readonly<Record<string, string>> = {
  "wasmcloud:keyvalue": "K/V Store",
  "wasmcloud:messaging": "Messaging",
  "wasmcloud:httpclient": "HTTP Client",
  "wasmcloud:httpserver": "HTTP Server",
  "wasmcloud:blobstore": "Blob Store",
  "wasmcloud:builtin:logging": "Logging",
  "wasmcloud:eventstreams": "Event Streams",
  "wasmcloud:builtin:numbergen": "Number Generation",
};

/** Dates are shown, not judged, as wash does; whether a host could run the module is not asked either. */
const notAboutClaims: ReadonlySet<ErrorCode> = new Set([
  "TOKEN_EXPIRED",
  "TOKEN_TOO_EARLY",
  "MODULE_EXPORT_MISSING",
  "MODULE_IMPORT_UNKNOWN",
  "MODULE_IS_COMPONENT",
  "MODULE_TOO_LARGE",
]);

/** `claims inspect` in wash's shape; `lattice inspect` says more. */
export function claimsInspect(): Command {
  return leaf({
    name: "inspect",
    summary: "print the claims of a signed module as wash does",
    lettersTaken: ["q", "v"],
    args: [["<module>", "file, - for standard input, or https URL"]],
    options: (made) => made.addOption(new Option("--jwt-only", "print the token alone")),
    work: async ({ output, options, args: [reference] }) => {
      const inspected = await inspectReference(String(reference));
      const { report, origin } = inspected;
      if (options.jwtOnly === true) {
        const token = await tokenOf(inspected);
        return output.show({ token }, token);
      }
      const problem = report.problems.find(({ code }) => !notAboutClaims.has(code));
      if (problem !== undefined) throw asError(problem);
      if (report.module === null) throw fail("MODULE_UNSIGNED", origin);
      const document = washDocument(report);
      const text = `${report.name ?? report.module} - Module\n${renderPairs([
        ["Account", document.account],
        ["Module", document.module],
        ["Expires", document.expires],
        ["Can Be Used", document.can_be_used],
        ["Version", `${document.version} (${document.revision})`],
        ["Call Alias", document.call_alias],
        ["Capabilities", document.capabilities.join(", ")],
        ["Tags", document.tags],
      ])}`;
      await output.show(document, text, document.module);
    },
  });
}

function washDocument(report: ModuleReport) {
  return {
    account: report.account ?? "",
    module: report.module ?? "",
    name: report.name ?? "",
    expires: relative(report.expires_at, "never"),
    can_be_used: relative(report.not_before, "immediately"),
    version: report.version ?? "None",
    revision: report.revision ?? 0,
    call_alias: report.call_alias || "(Not set)",
    capabilities: report.capabilities.map((id) => displayNames[id] ?? id),
    tags: report.tags.length === 0 ? "None" : report.tags.join(","),
  };
}

/** `in 3days`, `2h ago`: the largest unit that fits. */
function relative(moment: string | null, never: string): string {
  if (moment === null) return never;
  const seconds = Math.floor(Date.parse(moment) / 1_000) - Math.floor(Date.now() / 1_000);
  if (seconds <= 0 && never === "immediately") return never;
  const size = Math.abs(seconds);
  const days = Math.floor(size / 86_400);
  const hours = Math.floor(size / 3_600);
  const amount =
    days > 0 ? `${days}day${days > 1 ? "s" : ""}` : hours > 0 ? `${hours}h` : `${Math.max(1, Math.floor(size / 60))}m`;
  return seconds > 0 ? `in ${amount}` : `${amount} ago`;
}
