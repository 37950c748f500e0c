import { setTimeout as pause } from "node:timers/promises";
import { Option, type Command } from "commander";
import { fail, isLatticeError } from "../lattice/index.ts";
import type { HostClient } from "./client.ts";
import { leaf, type Options, textOption } from "./command.ts";
import { choiceOf, hostsFor, type FoundHost } from "./discovery.ts";
import { parseDuration } from "./durations.ts";
import { addHostOptions, timeoutOf } from "./host-command.ts";
import { Progress } from "./progress.ts";

const defaultWaitMs = 30_000;

interface StoppingShape {
  readonly name: string;
  readonly summary: string;
  /** What --all means. */
  readonly all: string;
  /** Only hosts of this machine are meant, unless the line itself names a lattice. */
  readonly here?: true;
  readonly more?: string;
}

/** `down` and `stop host`: ask a host to end, and wait until it has. */
export function stopHosts({ name, summary, all, here, more }: StoppingShape): Command {
  return leaf({
    name,
    summary,
    ...(more === undefined ? {} : { more }),
    args: [["[host-id]", "needed when several hosts are meant"]],
    options: (made) => {
      addHostOptions(made);
      made
        .addOption(new Option("--all", all))
        .addOption(
          new Option("--host-timeout <duration>", "longest time for calls in flight; else the host's own limit"),
        )
        .addOption(new Option("--skip-wait", "return once the host has the request"));
    },
    work: async ({ output, options, args: [hostId] }) => {
      const named = typeof hostId === "string" ? { socket: undefined, hostId } : {};
      const only = here && !namesLattice(options) ? { lattice: undefined } : {};
      const choice = { ...choiceOf(options), ...only, ...named };
      const hosts = await hostsFor(choice);
      if (hosts.length > 1 && options.all !== true) throw fail("HOST_AMBIGUOUS", hosts.map(({ id }) => id).join(", "));
      const drainMs = drainOf(options);
      const progress = new Progress(output);
      const stopped: { id: string }[] = [];
      try {
        for (const host of hosts) {
          progress.step(`Draining host ${host.id}`);
          await stopOne(host, options.skipWait === true, timeoutOf(options) ?? defaultWaitMs + (drainMs ?? 0), drainMs);
          stopped.push({ id: host.id });
        }
      } finally {
        progress.done();
      }
      const verb = options.skipWait === true ? "Asked host to stop:" : "Stopped host";
      const ids = stopped.map(({ id }) => id);
      await output.show({ hosts: stopped }, ids.map((id) => `${verb} ${id}`).join("\n"), ids.join("\n"));
    },
  });
}

/** On the line; a context or a variable is for commands that look for hosts elsewhere. */
function namesLattice(options: Options): boolean {
  return ["nats", "ctlHost", "ctlPort"].some((name) => textOption(options, name) !== undefined);
}

/** wash says it in milliseconds, without a unit. */
function drainOf(options: Options): number | undefined {
  const text = textOption(options, "hostTimeout");
  if (text === undefined) return undefined;
  return parseDuration(/^\d+$/.test(text) ? `${text}ms` : text, "--host-timeout");
}

/** Resolves when nobody answers for the host any more. */
async function stopOne(
  { id, client }: FoundHost,
  skipWait: boolean,
  timeoutMs: number,
  drainMs: number | undefined,
): Promise<void> {
  const until = performance.now() + timeoutMs;
  await client.call("stop.host", drainMs === undefined ? {} : { timeoutMs: drainMs }, timeoutMs);
  if (skipWait) return;
  while (await answers(client)) {
    if (performance.now() > until) throw fail("DEADLINE_EXCEEDED", `the end of host ${id}`, timeoutMs);
    await pause(20);
  }
}

async function answers(client: HostClient): Promise<boolean> {
  try {
    await client.call("version", {}, 1_000);
    return true;
  } catch (error) {
    if (isLatticeError(error) && (error.code === "HOST_ABSENT" || error.code === "STOPPED")) return false;
    return true;
  }
}
