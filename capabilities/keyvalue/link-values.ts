import { fail } from "../../lattice/index.ts";

/** Values of a link by lower-case name: the 0.x providers were asked for `URL`, people also write `url`. */
export type LinkValues = ReadonlyMap<string, string>;

const ours: ReadonlySet<string> = new Set(["url", "bucket", "prefix"]);

/**
 * What our key-value stores read of a link: `url`, `bucket`, `prefix`. Each passes over what another one
 * means, so that a link stays good when its provider is swapped; other values are the actor's own
 * configuration and left alone. One that is said twice is a problem.
 * Source: waPC and actors reference, section 15 (`URL` of the Redis provider).
 */
export function readLinkValues(values: Readonly<Record<string, string>>, problems: string[]): LinkValues {
  const read = new Map<string, string>();
  for (const [name, value] of Object.entries(values)) {
    const plain = name.toLowerCase();
    if (!ours.has(plain)) continue;
    if (read.has(plain)) problems.push(`${plain} is given twice, in large and small letters`);
    else read.set(plain, value);
  }
  return read;
}

const longestPrefix = 256;

/** What every key of the link starts with in its store; empty = nothing. */
export function readPrefix(values: LinkValues, problems: string[]): string {
  const prefix = values.get("prefix") ?? "";
  if (prefix.length > longestPrefix) problems.push(`prefix has ${prefix.length} characters, at most ${longestPrefix}`);
  return prefix;
}

/** @throws LatticeError LINK_VALUES_INVALID naming every problem. */
export function refuseProblems(provider: string, problems: readonly string[]): void {
  if (problems.length > 0) throw fail("LINK_VALUES_INVALID", provider, problems.join("; "));
}
