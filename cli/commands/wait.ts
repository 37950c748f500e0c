import { setTimeout as pause } from "node:timers/promises";
import { Option } from "commander";
import { fail, isLatticeError } from "../../lattice/index.ts";
import { rowsOf, type Document } from "../client.ts";
import { leaf, textOption, type Options } from "../command.ts";
import { choiceOf, hostsFor } from "../discovery.ts";
import { addHostOptions, timeoutOf } from "../host-command.ts";
import { waitForJob } from "../jobs.ts";
import { Progress } from "../progress.ts";
import { isCalled } from "../things.ts";

const defaultWaitMs = 30_000;
const lookEveryMs = 100;
const kinds = ["host", "actor", "provider", "job"] as const;
type Kind = (typeof kinds)[number];

export const command = () =>
  leaf({
    name: "wait",
    summary: "wait until something runs, or is gone, or a job has ended",
    args: [
      ["<kind>", kinds.join(", ")],
      ["[target]", "key, alias, name or contract, any when left out; of a job its id"],
    ],
    options: (made) => {
      addHostOptions(made);
      made.addOption(new Option("--for <state>", "what to wait for").choices(["running", "gone"]).default("running"));
    },
    more: "Examples:\n  lattice up -d && lattice wait actor counter --timeout 10s\n  lattice wait job $(lattice start actor counter.wasm --skip-wait -o name)",
    work: async ({ output, options, args: [kindWord, targetWord] }) => {
      const kind = kinds.find((known) => known === kindWord);
      if (kind === undefined) throw fail("USAGE", `lattice wait waits for ${kinds.join(", ")}`);
      const target = typeof targetWord === "string" ? targetWord : undefined;
      const wanted = textOption(options, "for") === "gone" ? "gone" : "running";
      const timeoutMs = timeoutOf(options) ?? defaultWaitMs;
      if (kind === "job") return waitForJob(output, options, target, timeoutMs);
      const until = performance.now() + timeoutMs;
      const what = target === undefined ? kind : `${kind} ${target}`;
      const progress = new Progress(output);
      // A host that is busy may miss a question to all: what it runs is not gone at once.
      const looks = wanted === "gone" ? 3 : 1;
      progress.step(`Waiting for ${what} to ${wanted === "running" ? "run" : "be gone"}`);
      try {
        let seen = 0;
        while (seen < looks) {
          seen = (await stateOf(kind, target, options)) === wanted ? seen + 1 : 0;
          if (seen === 0 && performance.now() > until) throw fail("WAIT_TIMEOUT", what, wanted, timeoutMs);
          if (seen < looks) await pause(lookEveryMs);
        }
      } finally {
        progress.done();
      }
      await output.show({ kind, target: target ?? null, state: wanted }, `${what} is ${wanted}`, target);
    },
  });

/** Of several that fit one that runs is enough; nothing is gone while one that fits is there in any state. */
async function stateOf(
  kind: Exclude<Kind, "job">,
  target: string | undefined,
  options: Options,
): Promise<"running" | "there" | "gone"> {
  const rows = (await inventoriesOf(options)).flatMap((one) => {
    if (kind === "host") return [{ id: one.host_id, name: one.friendly_name, state: one.state }];
    return rowsOf(one, kind === "actor" ? "actors" : "providers");
  });
  const fitting = rows.filter((row) => target === undefined || isCalled(row, target));
  if (fitting.length === 0) return "gone";
  // An actor that is in the inventory runs; a provider on trial serves.
  return fitting.some(({ state = "running" }) => state === "running" || state === "on trial") ? "running" : "there";
}

/** A host that is not there yet, or just left, is what is waited for. */
async function inventoriesOf(options: Options): Promise<Document[]> {
  const answers = await Promise.allSettled(
    (await hostsFor(choiceOf(options)).catch(absentAsNone)).map(async ({ client }) =>
      rowsOf(await client.call("get.inventory", {}, 5_000), "inventories"),
    ),
  );
  return answers.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : absentAsNone(answer.reason)));
}

function absentAsNone(error: unknown): never[] {
  if (isLatticeError(error) && ["HOST_ABSENT", "STOPPED", "DRAINING"].includes(error.code)) return [];
  throw error;
}
