import { type Builtin, builtins, findBuiltin, inOwnProcess, withoutProcess } from "../capabilities/index.ts";
import { canonicalContract, fail, type LatticeError } from "../lattice/index.ts";
import { unknownReference } from "./unknown-reference.ts";

/** Whether `swapReference` knows it. */
export function isOwnReference(text: string, contractId: string): boolean {
  return findBuiltin(text) !== undefined || shortForm(text, contractId) !== undefined;
}

/**
 * What a swap shall start, of a reference or of a short form for the contract of the running
 * provider: `memory`, `sqlite:FILE`, `redis://HOST`, `nats` or `nats://HOST`; `child:` before either
 * means a process of its own.
 * @throws LatticeError REQUEST_INVALID for a short form of another contract; BUILTIN_ABSENT, PROVIDER_BY_PATH, PROVIDER_IS_MODULE when none of ours is meant.
 */
export function swapReference(
  text: string,
  contractId: string,
): { readonly provider: string; readonly config: Readonly<Record<string, string>> } {
  const known = findBuiltin(text);
  if (known) return { provider: known.reference, config: {} };
  const short = shortForm(text, contractId);
  if (!short) throw shortElsewhere(text, contractId) ?? unknownReference(text);
  const { builtin, kind, rest } = short;
  const plain = withoutProcess(text);
  const provider = plain === text ? builtin.reference : inOwnProcess(builtin.reference);
  if (rest === "") return { provider, config: {} };
  return { provider, config: kind === "sqlite" ? { path: rest } : { url: plain } };
}

/** For a short form that means something for another contract than the running provider's. */
function shortElsewhere(text: string, contractId: string): LatticeError | undefined {
  const { kind } = partsOf(text);
  const contracts = [...builtins.values()].filter(({ reference }) => reference.endsWith(`-${kind}`));
  if (contracts.length === 0) return undefined;
  const others = [...new Set(contracts.map((each) => each.contractId))].join(" or ");
  return fail("REQUEST_INVALID", "swap", `${kind} means a provider of ${others}, the running one is of ${contractId}`);
}

function partsOf(text: string): { readonly kind: string; readonly rest: string } {
  const plain = withoutProcess(text);
  const [, scheme = plain, rest = ""] = /^([a-z]+):(.*)$/s.exec(plain) ?? [];
  return { kind: scheme === "rediss" ? "redis" : scheme === "tls" ? "nats" : scheme, rest };
}

function shortForm(text: string, contractId: string): { builtin: Builtin; kind: string; rest: string } | undefined {
  const { kind, rest } = partsOf(text);
  const contract = canonicalContract(contractId);
  const builtin = [...builtins.values()].find(
    (each) => each.contractId === contract && each.reference.endsWith(`-${kind}`),
  );
  return builtin && { builtin, kind, rest };
}
