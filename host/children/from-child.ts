import type { WireError } from "../../lattice/index.ts";
import { isHttpFromChild } from "./http-messages.ts";
import type { FromChild } from "./messages.ts";

/** Whether what came out of a provider's process or thread is a message: code of others runs there. */
export function isFromChild(value: unknown): value is FromChild {
  if (typeof value !== "object" || value === null) return false;
  const { type, id, error, linkId, operation, timeoutMs, cause, level, text, record } = value as Record<
    string,
    unknown
  >;
  switch (type) {
    case "done":
      return typeof id === "number";
    case "failed":
      return typeof id === "number" && isChildError(error);
    case "invoke":
      return (
        typeof id === "number" &&
        typeof linkId === "string" &&
        typeof operation === "string" &&
        (timeoutMs === null || Number.isFinite(timeoutMs)) &&
        (cause === null || isCause(cause))
      );
    case "log":
      return isLevel(level) && typeof text === "string";
    case "actor-log":
      return typeof id === "number" && typeof record === "object" && record !== null;
    default:
      return isHttpFromChild(value as Record<string, unknown>);
  }
}

function isCause(cause: unknown): boolean {
  if (typeof cause !== "object" || cause === null) return false;
  const { id, hops, budgetMs } = cause as Record<string, unknown>;
  return typeof id === "number" && Number.isFinite(hops) && Number.isFinite(budgetMs);
}

function isChildError(error: unknown): boolean {
  if (typeof error !== "object" || error === null) return false;
  if ("text" in error) return typeof error.text === "string";
  const wire = "wire" in error ? (error.wire as Partial<WireError> | null) : null;
  return typeof wire?.code === "string" && typeof wire.message === "string";
}

function isLevel(level: unknown): boolean {
  return level === "debug" || level === "info" || level === "warn" || level === "error";
}
