import { fail } from "../lattice/index.ts";
import { nearestName } from "./nearest-name.ts";

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;
const hour = 3_600_000;
const day = 24 * hour;

interface LimitRow {
  readonly default: number;
  readonly min: number;
  readonly max: number;
  /** What it bounds, for `--help`, `describe host` and the table of the README. */
  readonly says: string;
}

/**
 * Every limit of a host: its default, the range it may be set to and what it bounds. The unit is in
 * the name (`Bytes`, `Ms`); names without one are counts. Over a limit is a clear error to that one
 * caller and a counter, never silence.
 */
export const limitTable = {
  moduleBytes: { default: 64 * MiB, min: KiB, max: GiB, says: "size of a module file" },
  memoryBytes: { default: 64 * MiB, min: 64 * KiB, max: 4 * GiB, says: "linear memory of one instance" },
  instancesPerProcess: { default: 10_000, min: 1, max: 16_000, says: "live instances of all actors in one process" },
  instances: { default: 16, min: 1, max: 10_000, says: "instances of one actor in one engine" },
  queue: { default: 1_000, min: 0, max: 1_000_000, says: "calls that wait for an instance of one actor" },
  cpuMs: { default: 500, min: 1, max: hour, says: "CPU time of one call" },
  sliceMs: { default: 2, min: 1, max: 1_000, says: "CPU time after which a guest lets others run" },
  startupMs: { default: 5_000, min: 1, max: hour, says: "wall clock of an instance's start functions" },
  idleMs: { default: 30_000, min: 0, max: day, says: "idle time after which a spare instance is released" },
  secretsMs: { default: 5_000, min: 50, max: day, says: "time between two looks at the secrets that links refer to" },
  callTimeoutMs: { default: 10_000, min: 1, max: hour, says: "wall clock of one local call" },
  rpcTimeoutMs: { default: 2_000, min: 1, max: hour, says: "wait for a reply over the lattice" },
  hops: { default: 16, min: 1, max: 1_000, says: "calls in one chain" },
  payloadBytes: { default: 16 * MiB, min: KiB, max: GiB, says: "payload or reply of one call" },
  httpBodyBytes: { default: MiB, min: 0, max: GiB, says: "body of an HTTP request" },
  httpHeaderBytes: { default: 16 * KiB, min: KiB, max: MiB, says: "header of an HTTP request" },
  httpHeaderMs: { default: 10_000, min: 1, max: hour, says: "time for an HTTP request's header to arrive" },
  httpRequestMs: { default: 60_000, min: 1, max: hour, says: "time for a whole HTTP request to arrive" },
  httpIdleMs: { default: 60_000, min: 1, max: hour, says: "idle time of a kept-alive HTTP connection" },
  engineSilenceMs: { default: 1_000, min: 50, max: hour, says: "silence after which an engine is ended and replaced" },
  providerSilenceMs: {
    default: 3_000,
    min: 50,
    max: hour,
    says: "silence after which the thread of a provider's module is ended and replaced",
  },
  healthMs: {
    default: 5_000,
    min: 10,
    max: hour,
    says: "time between two questions for the health of a provider, or of an actor that has worked",
  },
  archiveStopMs: { default: 1_000, min: 1, max: hour, says: "wait for a provider program of the 0.x era to stop" },
  drainMs: { default: 10_000, min: 0, max: hour, says: "wait for calls in flight when something stops" },
  logLines: { default: 1_000, min: 1, max: 1_000_000, says: "log lines kept per placement" },
  logLineChars: { default: 8 * KiB, min: 64, max: MiB, says: "characters kept of one log line" },
  logChars: { default: MiB, min: 64, max: GiB, says: "characters kept of the log of one placement" },
  logLinesPerSecond: { default: 200, min: 1, max: 1_000_000, says: "lines of one actor passed to the host's log" },
  stoppedLogs: { default: 100, min: 0, max: 100_000, says: "stopped placements whose log is kept" },
  events: { default: 1_000, min: 1, max: 1_000_000, says: "host events kept for late watchers" },
  metricPlacements: { default: 100, min: 1, max: 10_000, says: "placements with metric series of their own" },
} as const satisfies Record<string, LimitRow>;

export type LimitName = keyof typeof limitTable;
export type Limits = Readonly<Record<LimitName, number>>;

export const limitNames = Object.keys(limitTable) as readonly LimitName[];

export function isLimitName(name: string): name is LimitName {
  return Object.hasOwn(limitTable, name);
}

/**
 * All limits: those given, checked, and defaults for the rest.
 * `where` goes before the name in errors.
 * @throws LatticeError OPTION_UNKNOWN with the nearest name; OPTION_OUT_OF_RANGE with limit, value and range.
 */
export function compileLimits(given: Partial<Record<LimitName, number>> = {}, where = "limits."): Limits {
  for (const name of Object.keys(given)) {
    if (!isLimitName(name)) {
      const nearest = nearestName(name, limitNames);
      throw fail("OPTION_UNKNOWN", where + name, nearest && where + nearest);
    }
  }
  const limits = {} as Record<LimitName, number>;
  for (const name of limitNames) {
    limits[name] = given[name] ?? limitTable[name].default;
    const problem = limitProblem(name, limits[name]);
    if (problem !== undefined) throw fail("OPTION_OUT_OF_RANGE", where + name, limits[name], problem);
  }
  return Object.freeze(limits);
}

/** The range that `value` misses, as words, or `undefined` when it may stand. */
export function limitProblem(name: LimitName, value: unknown): string | undefined {
  const { min, max } = limitTable[name];
  if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) return undefined;
  return `a whole number from ${min} to ${max}`;
}
