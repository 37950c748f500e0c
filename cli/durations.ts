import { fail } from "../lattice/index.ts";

const units: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * Milliseconds of a duration such as `500ms`, `2s`, `5m` or `1h30m`; `0` needs no unit.
 * @throws LatticeError USAGE naming the option for anything else, bare numbers included: seconds and
 * milliseconds are too easily confused.
 */
export function parseDuration(text: string, option: string): number {
  if (text === "0") return 0;
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhd])/g)];
  const total = parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * (units[unit ?? ""] ?? 0), 0);
  if (parts.length === 0 || parts.map(([part]) => part).join("") !== text || !Number.isSafeInteger(Math.round(total))) {
    throw fail("USAGE", `${option} is "${text}", it must be a duration such as 500ms, 2s or 5m`);
  }
  return Math.round(total);
}

/** Seconds as people read them: `45s`, `3m12s`, `2h5m`, `4d3h`. */
export function formatSeconds(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole}s`;
  if (whole < 3_600) return joined(whole, 60, "m", 1, "s");
  if (whole < 86_400) return joined(whole, 3_600, "h", 60, "m");
  return joined(whole, 86_400, "d", 3_600, "h");
}

function joined(seconds: number, large: number, largeUnit: string, small: number, smallUnit: string): string {
  const rest = Math.floor((seconds % large) / small);
  return `${Math.floor(seconds / large)}${largeUnit}${rest > 0 ? `${rest}${smallUnit}` : ""}`;
}
