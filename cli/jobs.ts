import { setTimeout as pause } from "node:timers/promises";
import { Option } from "commander";
import { fail, isLatticeError } from "../lattice/index.ts";
import { type Document, textOf, unwrap } from "./client.ts";
import type { Options } from "./command.ts";
import { choiceOf, type FoundHost, hostsFor } from "./discovery.ts";
import type { HostCall } from "./host-command.ts";
import type { Output } from "./output.ts";
import { Progress } from "./progress.ts";

const lookEveryMs = 100;
const askMs = 5_000;

export const skipWait = () => new Option("--skip-wait", "return once the host has begun, printing a job to wait for");

/**
 * The host's answer once it has done what was asked. With --skip-wait it is undefined: the job is printed
 * that `wait job` follows.
 */
export async function askOrBegin(
  { host, options, output, timeoutMs }: Pick<HostCall, "host" | "options" | "output" | "timeoutMs">,
  verb: string,
  text: string,
  parameters: object,
): Promise<Document | undefined> {
  const progress = new Progress(output);
  progress.step(text);
  const answer = await (
    options.skipWait === true ? host.begin(verb, parameters, timeoutMs) : host.call(verb, parameters, timeoutMs)
  ).finally(() => progress.done());
  const { job } = answer;
  // A host that knows no jobs has done it by now.
  if (options.skipWait !== true || job === undefined) return answer;
  const id = textOf(job as Document, "id") ?? "";
  await output.show({ job }, `${text}: job ${id}. See how it ends: lattice wait job ${id}`, id);
  return undefined;
}

/**
 * Waits until a job has ended and prints what came of it.
 * @throws LatticeError what the job failed with; JOB_ABSENT; WAIT_TIMEOUT.
 */
export async function waitForJob(
  output: Output,
  options: Options,
  id: string | undefined,
  timeoutMs: number,
): Promise<void> {
  if (id === undefined) throw fail("USAGE", "lattice wait job needs the job's id");
  const until = performance.now() + timeoutMs;
  const progress = new Progress(output);
  progress.step(`Waiting for job ${id} to end`);
  try {
    let { host, job } = await whoHas(id, await hostsFor(choiceOf(options)));
    while (job.state === "running") {
      if (performance.now() > until) throw fail("WAIT_TIMEOUT", `job ${id}`, "done", timeoutMs);
      await pause(lookEveryMs);
      job = await jobOf(host, id);
    }
    if (job.state === "failed") throwError(job);
    progress.done();
    await output.show({ kind: "job", job }, `job ${id} (${textOf(job, "verb")}) is done`, id);
  } finally {
    progress.done();
  }
}

/** The host that knows the job: only the one that was asked does. */
async function whoHas(id: string, hosts: readonly FoundHost[]): Promise<{ host: FoundHost; job: Document }> {
  const answers = await Promise.allSettled(hosts.map(async (host) => ({ host, job: await jobOf(host, id) })));
  const found = answers.find((answer) => answer.status === "fulfilled");
  if (found) return found.value;
  const reasons: unknown[] = answers.flatMap((answer) => (answer.status === "rejected" ? [answer.reason] : []));
  const other = reasons.find((reason) => !isLatticeError(reason) || reason.code !== "JOB_ABSENT");
  if (other !== undefined) throw other;
  throw fail("JOB_ABSENT", id, hosts.map(({ id: key }) => key).join(", "));
}

async function jobOf({ client }: FoundHost, id: string): Promise<Document> {
  return (await client.call("job", { id }, askMs)).job as Document;
}

function throwError(job: Document): never {
  const { message, code, ...rest } = job.error as { message: string; code?: string };
  if (code === undefined) throw fail("VERB_FAILED", textOf(job, "verb") ?? "", message);
  unwrap({ success: false, error: message, code, ...rest });
  throw fail("VERB_FAILED", textOf(job, "verb") ?? "", message);
}
