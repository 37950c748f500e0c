import { Option } from "commander";
import { harmless, harmlessLine } from "../../host/index.ts";
import { counted, describe, fail, isPublicKey } from "../../lattice/index.ts";
import { textOf, type Document } from "../client.ts";
import type { Options } from "../command.ts";
import { leaf } from "../command.ts";
import { choiceOf, type FoundHost, hostsFor } from "../discovery.ts";
import { addHostOptions } from "../host-command.ts";
import { merged } from "../merge.ts";
import type { Output } from "../output.ts";
import { actorKeyOn } from "../things.ts";

export const command = () =>
  leaf({
    name: "spy",
    summary: "show calls of an actor and to it as they happen",
    args: [["<target>", "actor: key, alias, name or the beginning of one"]],
    options: (made) => {
      addHostOptions(made);
      made.addOption(new Option("--payload", "with the first 1 KiB of what calls and replies carry"));
    },
    more: "Example:\n  lattice spy counter -o json | jq 'select(.outcome != \"ok\")'",
    work: async ({ output, options, args: [word] }) => {
      const target = String(word);
      const hosts = await hostsFor(choiceOf(options));
      const key = await keyOf(hosts, target);
      const seen = new Set(hosts.map(({ id }) => id));
      const parameters = { target: key, ...(options.payload === true ? { payload: true } : {}) };
      output.note(`Watching calls of ${target} on ${counted(hosts.length, "host")}; Ctrl-C ends it`);
      const calls = merged(hosts, ({ client }) => client.stream("spy", parameters), {
        onLost: ({ id }, error) => output.warn(`host ${id} tells no more: ${describe(error)}`),
        holdMs: 100,
      });
      for await (const { row } of calls) {
        // The host that asked tells of the same call, with the way there and back.
        const asker = textOf(row, "asked_by");
        if (asker === undefined || !seen.has(asker)) print(output, row, hosts.length > 1, options);
      }
    },
  });

/** @throws LatticeError ACTOR_ABSENT, ACTOR_AMBIGUOUS. */
async function keyOf(hosts: readonly FoundHost[], target: string): Promise<string> {
  const key = isPublicKey(target, "module") ? target : await actorKeyOn(hosts, target);
  if (key === undefined) throw fail("ACTOR_ABSENT", target);
  return key;
}

function print(output: Output, row: Document, several: boolean, options: Options): void {
  if (output.structured) return output.line(row);
  const { paint } = output;
  if (row.missed !== undefined) return output.warn(`${textOf(row, "missed")} calls came faster than they were told`);
  const outcome = textOf(row, "outcome") ?? "";
  const end = (name: string) => harmlessLine(textOf(row, `${name}_name`) ?? textOf(row, name) ?? "");
  const reply = row.reply_bytes === undefined ? "" : ` -> ${textOf(row, "reply_bytes")} B`;
  const times = [
    ["queued", "queue_ms"],
    ["guest", "guest_ms"],
    ["away", "remote_ms"],
  ].flatMap(([name, field = ""]) => (row[field] === undefined ? [] : [`${name} ${textOf(row, field)}`]));
  const split = times.length > 0 ? ` (${times.join(", ")})` : "";
  const why = row.why_remote === undefined ? "" : ` (${textOf(row, "why_remote")})`;
  const host = several ? ` ${paint.dim(textOf(row, "host")?.slice(0, 8) ?? "")}` : "";
  output.text(
    `${paint.dim(textOf(row, "time") ?? "")}${host} ${end("from")} -> ${end("to")} ${harmlessLine(textOf(row, "operation") ?? "")}` +
      ` ${textOf(row, "bytes")} B${reply} ${textOf(row, "ms")} ms${split} ${textOf(row, "where")}${why} ${outcome === "ok" ? paint.green(outcome) : paint.red(outcome)}`,
  );
  if (options.payload !== true) return;
  for (const [name, mark] of [
    ["payload", ">"],
    ["reply", "<"],
  ] as const) {
    const bytes = textOf(row, name);
    if (bytes !== undefined) output.text(`  ${mark} ${shown(Buffer.from(bytes, "base64"))}`);
  }
}

/** Text as text, what no terminal should see as hexadecimal. */
function shown(bytes: Buffer): string {
  const text = bytes.toString("utf8");
  return text.includes("\uFFFD") || harmless(text) !== text ? bytes.toString("hex") : harmlessLine(text);
}
