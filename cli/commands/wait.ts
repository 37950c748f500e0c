import { setTimeout as pause } from "node:timers/promises";
import { Option } from "commander";
import { fail, isLatticeError } from "../../lattice/index.ts";
import { rowsOf, type Document } from "../client.ts";
import { leaf, textOption } from "../command.ts";
import { choiceOf, hostsFor } from "../discovery.ts";
import { addHostOptions, timeoutOf } from "../host-command.ts";
import { Progress } from "../progress.ts";

const defaultWaitMs = 30_000;
const lookEveryMs = 100;
const kinds = ["host", "actor", "provider"] as const;
type Kind = (typeof kinds)[number];

export const command = () =>
  leaf({
    name: "wait",
    summary: "wait until something runs, or is gone",
    args: [
      ["<kind>", kinds.join(", ")],
      ["[target]", "key, alias, name or contract; any when left out"],
    ],
    options: (made) => {
      addHostOptions(made);
      made.addOption(new Option("--for <state>", "what to wait for").choices(["running", "gone"]).default("running"));
    },
    more: "Example:\n  lattice up -d && lattice wait actor counter --timeout 10s",
    work: async ({ output, options, args: [kindWord, targetWord] }) => {
      const kind = kinds.find((known) => known === kindWord);
      if (kind === undefined) throw fail("USAGE", `lattice wait waits for ${kinds.join(", ")}`);
      const target = typeof targetWord === "string" ? targetWord : undefined;
      const wanted = textOption(options, "for") !== "gone";
      const timeoutMs = timeoutOf(options) ?? defaultWaitMs;
      const until = performance.now() + timeoutMs;
      const what = target === undefined ? kind : `${kind} ${target}`;
      const progress = new Progress(output);
      progress.step(`Waiting for ${what} to ${wanted ? "run" : "be gone"}`);
      try {
        while ((await isThere(kind, target, options)) !== wanted) {
          if (performance.now() > until) throw fail("DEADLINE_EXCEEDED", what, timeoutMs);
          await pause(lookEveryMs);
        }
      } finally {
        progress.done();
      }
      const state = wanted ? "running" : "gone";
      await output.show({ kind, target: target ?? null, state }, `${what} is ${state}`, target);
    },
  });

async function isThere(
  kind: Kind,
  target: string | undefined,
  options: Parameters<typeof choiceOf>[0],
): Promise<boolean> {
  try {
    const found = await hostsFor(choiceOf(options));
    const inventories = await Promise.all(
      found.map(async ({ client }) => rowsOf(await client.call("get.inventory", {}, 5_000), "inventories")),
    );
    const all = inventories.flat();
    if (kind === "host") return all.some((one) => fits(one, ["host_id", "friendly_name"], target));
    const rows = all.flatMap((one) => rowsOf(one, kind === "actor" ? "actors" : "providers"));
    return rows.some((row) => fits(row, ["id", "name", "call_alias", "contract_id"], target));
  } catch (error) {
    // A host that is not there yet, or just left, is what is waited for.
    if (isLatticeError(error) && ["HOST_ABSENT", "STOPPED", "DRAINING"].includes(error.code)) return false;
    throw error;
  }
}

function fits(row: Document, names: readonly string[], target: string | undefined): boolean {
  if (target === undefined) return true;
  return names.some((name) => {
    const value = row[name];
    return typeof value === "string" && value.toLowerCase().startsWith(target.toLowerCase());
  });
}
