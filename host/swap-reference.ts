import { builtins, findBuiltin } from "../capabilities/index.ts";
import { canonicalContract, fail } from "../lattice/index.ts";

/**
 * What a swap shall start, of a reference or of a short form for the contract of the running
 * provider: `memory`, `sqlite:FILE`, `redis://HOST`, `nats` or `nats://HOST`.
 * @throws LatticeError PROVIDER_ABSENT when none of ours is meant.
 */
export function swapReference(
  text: string,
  contractId: string,
): { readonly provider: string; readonly config: Readonly<Record<string, string>> } {
  if (findBuiltin(text)) return { provider: text, config: {} };
  const [, scheme = text, rest = ""] = /^([a-z]+):(.*)$/s.exec(text) ?? [];
  const kind = scheme === "rediss" ? "redis" : scheme === "tls" ? "nats" : scheme;
  const contract = canonicalContract(contractId);
  const found = [...builtins.values()].find(
    (each) => each.contractId === contract && each.reference.endsWith(`-${kind}`),
  );
  if (!found) throw fail("PROVIDER_ABSENT", withoutPassword(text));
  if (rest === "") return { provider: found.reference, config: {} };
  return { provider: found.reference, config: kind === "sqlite" ? { path: rest } : { url: text } };
}

/** An address may carry a password. */
function withoutPassword(text: string): string {
  return text.replace(/\/\/[^/@]*@/, "//");
}
