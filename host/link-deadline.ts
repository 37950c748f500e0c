import { fail, type LinkDefinition } from "../lattice/index.ts";

/** Name of the link value that bounds each call over the link: `500ms`, `2s`, `1m` or milliseconds. */
export const deadlineValue = "deadline";

const units: Record<string, number> = { "": 1, ms: 1, s: 1_000, m: 60_000 };

/**
 * The link's own bound on a call in milliseconds, 0 when it has none. It can only shorten what the
 * caller has left.
 * @throws LatticeError LINK_VALUES_INVALID when the value is no duration.
 */
export function linkDeadline(link: Pick<LinkDefinition, "provider" | "values">): number {
  const text = link.values[deadlineValue];
  if (text === undefined) return 0;
  const [, amount, unit] = /^(\d{1,9})(ms|s|m|)$/.exec(text) ?? [];
  const ms = Number(amount) * (units[unit ?? "-"] ?? Number.NaN);
  if (ms > 0) return ms;
  throw fail(
    "LINK_VALUES_INVALID",
    link.provider,
    `${deadlineValue} must be a duration such as 500ms or 2s, not ${JSON.stringify(text)}`,
  );
}
