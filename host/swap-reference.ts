import { type Builtin, builtins, findBuiltin } from "../capabilities/index.ts";
import { canonicalContract } from "../lattice/index.ts";
import { unknownReference } from "./unknown-reference.ts";

/** Whether `swapReference` knows it. */
export function isOwnReference(text: string, contractId: string): boolean {
  return findBuiltin(text) !== undefined || shortForm(text, contractId) !== undefined;
}

/**
 * What a swap shall start, of a reference or of a short form for the contract of the running
 * provider: `memory`, `sqlite:FILE`, `redis://HOST`, `nats` or `nats://HOST`.
 * @throws LatticeError BUILTIN_ABSENT, PROVIDER_BY_PATH, PROVIDER_IS_MODULE when none of ours is meant.
 */
export function swapReference(
  text: string,
  contractId: string,
): { readonly provider: string; readonly config: Readonly<Record<string, string>> } {
  if (findBuiltin(text)) return { provider: text, config: {} };
  const short = shortForm(text, contractId);
  if (!short) throw unknownReference(text);
  const { builtin, kind, rest } = short;
  if (rest === "") return { provider: builtin.reference, config: {} };
  return { provider: builtin.reference, config: kind === "sqlite" ? { path: rest } : { url: text } };
}

function shortForm(text: string, contractId: string): { builtin: Builtin; kind: string; rest: string } | undefined {
  const [, scheme = text, rest = ""] = /^([a-z]+):(.*)$/s.exec(text) ?? [];
  const kind = scheme === "rediss" ? "redis" : scheme === "tls" ? "nats" : scheme;
  const contract = canonicalContract(contractId);
  const builtin = [...builtins.values()].find(
    (each) => each.contractId === contract && each.reference.endsWith(`-${kind}`),
  );
  return builtin && { builtin, kind, rest };
}
