import { Option, type Command } from "commander";
import type { HostClient } from "./client.ts";
import { leaf, textOption, type Call, type CommandShape, type Options } from "./command.ts";
import { oneHost } from "./discovery.ts";
import { parseDuration } from "./durations.ts";
import { addLatticeOptions, latticeChoice } from "./lattice-access.ts";
import type { Output } from "./output.ts";
import { hostsRunning, type Thing } from "./things.ts";

export interface HostCall extends Call {
  readonly host: HostClient;
  /** Positional arguments that were given, in order, without a leading host key. */
  readonly words: readonly string[];
  /** From --timeout, in milliseconds. */
  readonly timeoutMs: number | undefined;
}

interface HostCommandShape extends Omit<CommandShape, "work"> {
  /** The thing that the words name: of several hosts the one that runs it is asked. */
  readonly about?: (words: readonly string[], options: Options) => Thing | undefined;
  /** Every host of a lattice answers alike: nobody needs to know which was asked. */
  readonly anyHost?: true;
  /** Another way to the host that is asked. */
  readonly host?: (words: readonly string[], options: Options, output: Output) => Promise<HostClient>;
  readonly work: (call: HostCall) => Promise<void>;
}

/** A command over one host: finds it, says which, and knows how long to wait. */
export function hostCommand({
  work,
  about,
  anyHost,
  host: choose,
  options: ownOptions,
  ...shape
}: HostCommandShape): Command {
  return leaf({
    ...shape,
    options: (command) => {
      addHostOptions(command);
      ownOptions?.(command);
    },
    work: async (call) => {
      const { words, options } = takeHostKey(call);
      const thing = about?.(words, options);
      const host = choose
        ? await choose(words, options, call.output)
        : thing
          ? await hostOf(options, thing, call.output)
          : await oneHost(options, anyHost && latticeChoice(options)?.asked ? undefined : call.output);
      await work({ ...call, options, words, host, timeoutMs: timeoutOf(options) });
    },
  });
}

/** The host that runs a thing; of several the first, saying which. */
export async function hostOf(options: Options, thing: Thing, output: Output): Promise<HostClient> {
  const [host, ...others] = await hostsRunning(options, thing);
  if (others.length > 0) {
    const ids = [host, ...others].map(({ id }) => id).join(", ");
    output.note(`${thing.target} runs on ${others.length + 1} hosts (${ids}); took the first, choose with --host-id`);
  }
  return host.client;
}

export function addHostOptions(command: Command): void {
  addLatticeOptions(command);
  command
    .addOption(new Option("--host-id <id>", "the host meant: its id, the beginning of it, or its name"))
    .addOption(new Option("--socket <path>", "the host's control socket"))
    .addOption(new Option("--timeout <duration>", "longest wait, for example 500ms, 2s or 5m"));
}

export function timeoutOf(options: Options): number | undefined {
  const text = textOption(options, "timeout");
  return text === undefined ? undefined : parseDuration(text, "--timeout");
}

/** wash's commands take the host's key before the thing itself: it means --host-id. */
export function takeHostKey({ args, options }: Pick<Call, "args" | "options">): {
  words: readonly string[];
  options: Options;
} {
  const words = args.flat().filter((word) => word !== undefined);
  const [first, ...rest] = words;
  if (first === undefined || !/^N[A-Z2-7]{55}$/.test(first) || textOption(options, "hostId") !== undefined) {
    return { words, options };
  }
  return { words: rest, options: { ...options, hostId: first } };
}
