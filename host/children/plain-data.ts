import type { Link, LinkedActor, LinkStatus, LogRecord } from "../../capabilities/index.ts";
import { describe, fail, failFrom, isLatticeError, type LatticeError, type TraceContext } from "../../lattice/index.ts";
import { copyMembers } from "./child-copy.ts";
import type { Introduction, LinkData } from "./messages.ts";

/** What goes over the pipe as it is, and what comes back made sure of. */

export function linkData(link: Link): LinkData {
  const { id, revision, actor, provider, contractId, linkName, values, linkedActor } = link;
  return {
    id,
    revision,
    actor,
    provider,
    contractId,
    linkName,
    values: { ...values },
    linkedActor: actorData(linkedActor),
  };
}

export function actorData({ key, name, era, language, issuer, capabilities, tags }: LinkedActor): LinkedActor {
  return { key, name, era, language, issuer, capabilities, tags };
}

/** @throws LatticeError PROVIDER_MODULE_INVALID. */
export function introduction(value: unknown, path: string): Introduction {
  const { contractId, name, key, members } = (value ?? {}) as Partial<Record<keyof Introduction, unknown>>;
  if (typeof contractId !== "string" || typeof name !== "string")
    throw fail("PROVIDER_MODULE_INVALID", path, "it does not say who it is");
  return {
    contractId,
    name,
    key: typeof key === "string" ? key : null,
    members: copyMembers.filter((member) => Array.isArray(members) && members.includes(member)),
  };
}

export function linkStatus(value: unknown): LinkStatus | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { urls, values } = value as LinkStatus;
  return { ...(Array.isArray(urls) ? { urls } : {}), ...(typeof values === "object" ? { values } : {}) };
}

const levels: readonly LogRecord["level"][] = ["trace", "debug", "info", "warn", "error", "critical"];

export function logRecord({ level, text, target }: LogRecord): LogRecord | undefined {
  if (!levels.includes(level) || typeof text !== "string") return undefined;
  return { level, text, ...(typeof target === "string" ? { target } : {}) };
}

export function traceOf(trace: TraceContext | null): TraceContext | undefined {
  return typeof trace?.traceparent === "string" ? trace : undefined;
}

export function asLattice(error: unknown, operation: string): LatticeError {
  return isLatticeError(error) ? error : failFrom(error, "PROVIDER_FAILED", "the host", operation, describe(error));
}
