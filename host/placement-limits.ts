import type { GuestLimits } from "../actors/index.ts";
import { fail } from "../lattice/index.ts";
import { type LimitName, limitProblem, type Limits } from "./limits.ts";
import { nearestName } from "./nearest-name.ts";

/** Limits of a host that a placement may have for itself; what they mean and their ranges: `limitTable`. */
const own = [
  "memoryBytes",
  "cpuMs",
  "instances",
  "queue",
  "idleMs",
  "startupMs",
  "payloadBytes",
] as const satisfies readonly LimitName[];
const names: readonly string[] = [...own, "minInstances"];

/**
 * The limits of one placement: those given, checked, and the host's for the rest.
 * @throws LatticeError OPTION_UNKNOWN with the nearest name; OPTION_OUT_OF_RANGE with limit, value and range.
 */
export function placementLimits(host: Limits, given: Partial<GuestLimits> = {}): GuestLimits {
  for (const name of Object.keys(given)) {
    if (!names.includes(name)) throw fail("OPTION_UNKNOWN", `limits.${name}`, nearestName(name, names));
  }
  const limits = { ...host, ...given };
  for (const name of own) {
    const problem = limitProblem(name, limits[name]);
    if (problem !== undefined) throw fail("OPTION_OUT_OF_RANGE", `limits.${name}`, limits[name], problem);
  }
  const { memoryBytes, cpuMs, instances, queue, idleMs, startupMs, payloadBytes } = limits;
  const all = { memoryBytes, cpuMs, instances, queue, idleMs, startupMs, payloadBytes };
  const { minInstances } = given;
  if (minInstances === undefined) return all;
  if (!Number.isInteger(minInstances) || minInstances < 0 || minInstances > instances)
    throw fail("OPTION_OUT_OF_RANGE", "limits.minInstances", minInstances, `a whole number from 0 to ${instances}`);
  return { ...all, minInstances };
}
