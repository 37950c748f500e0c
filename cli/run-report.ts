import type { Host } from "../host/index.ts";
import type { Output } from "./output.ts";
import type { RunReport } from "./run-modules.ts";
import { renderTable, type Column } from "./table.ts";

/** What runs, once it does: with `-o json` one line, the first on stdout; else tables and things to try. */
export async function printRun(output: Output, host: Host, report: RunReport): Promise<void> {
  const document = runDocument(host, report);
  if (host.faces.metrics !== undefined) output.note(`Metrics at http://${host.faces.metrics}/metrics`);
  if (output.format === "json" || output.format === "jsonl") return output.line({ success: true, ...document });
  if (output.format === "yaml") return output.document(document);
  if (output.format === "name") {
    for (const { id } of document.actors) output.text(id);
    return;
  }
  const table = <Row>(rows: readonly Row[], columns: readonly Column<Row>[]) => {
    if (rows.length === 0) return;
    const style = { wide: output.format === "wide", headers: output.options.headers, paint: output.paint };
    output.text(`\n${renderTable({ rows, columns }, style).join("\n")}`);
  };
  output.text(`Host ${output.paint.bold(host.name)} (${host.id})`);
  table(document.actors, [
    { head: "ACTOR", cell: ({ name }) => name },
    { head: "ID", cell: ({ id }) => id },
    { head: "ERA", cell: ({ era }) => era },
    { head: "URL", cell: ({ urls }) => urls.join(", ") },
    { head: "REFERENCE", cell: ({ image_ref }) => image_ref, wide: true },
  ]);
  table(document.providers, [
    { head: "PROVIDER", cell: ({ name }) => name },
    { head: "CONTRACT", cell: ({ contract_id }) => contract_id },
    { head: "LINK", cell: ({ link_name }) => link_name },
    { head: "ID", cell: ({ id }) => id, wide: true },
  ]);
  if (!output.options.quiet)
    output.text(
      `\nTry:\n${thingsToTry(document)
        .map((line) => `  ${line}`)
        .join("\n")}\nCtrl-C drains and ends.`,
    );
}

export function runDocument(host: Host, { actors, providers, links }: RunReport) {
  return {
    host: { id: host.id },
    actors: actors.map(({ handle: { id, name }, reference, era, urls }) => ({
      id,
      name,
      image_ref: reference,
      era,
      urls,
    })),
    providers: providers.map(({ id, contractId, linkName, name }) => ({
      id,
      contract_id: contractId,
      link_name: linkName,
      name,
    })),
    links: links.map(({ actor, provider, contractId, linkName }) => ({
      actor_id: actor,
      provider_id: provider,
      contract_id: contractId,
      link_name: linkName,
    })),
  };
}

/** In a checkout the command is npm's to find. */
const lattice = import.meta.url.endsWith(".ts") ? "npx lattice" : "lattice";

function thingsToTry({ actors }: ReturnType<typeof runDocument>): string[] {
  const url = actors.flatMap(({ urls }) => urls)[0];
  const [first] = actors;
  // A name is whatever its signer wrote: only a plain one is put into a command to copy.
  const name =
    first === undefined || /^[\w-]+$/.test(first.name)
      ? first?.name
      : /^[\w ().-]+$/.test(first.name)
        ? `"${first.name}"`
        : first.id;
  const about = name === undefined ? [] : [`${lattice} logs ${name} --follow`, `${lattice} explain ${name}`];
  return [...(url === undefined ? [] : [`curl ${url}/`]), `${lattice} get actors -o wide`, ...about].slice(0, 3);
}
