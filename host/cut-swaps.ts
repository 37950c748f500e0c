import { canonicalContract } from "../lattice/index.ts";
import type { Remembered, RememberedProvider, Texts } from "./remembered.ts";
import type { InterruptedSwap } from "./swap-journal.ts";
import type { LinkRecord, Wanted } from "./wanted.ts";

/**
 * What should run by what was remembered and by the swaps that were cut off with the last process: in
 * each the provider that stood, with its links, whichever of the two the host had written last.
 */
export function afterSwaps(remembered: Remembered, cut: readonly InterruptedSwap[]): Remembered {
  return cut.reduce((before, { contractId, linkName, stands, providers, elsewhere }) => {
    if (!providers || elsewhere) return before;
    const standing = providers[stands];
    const other = providers[stands === "new" ? "old" : "new"];
    const isOneOf = (each: RememberedProvider) =>
      [standing, other].some(({ wanted }) => wanted !== undefined && isSame(each, wanted));
    const rest = before.providers.filter((each) => !isOneOf(each));
    const links = before.links.map((link) =>
      link.provider === other.key && canonicalContract(link.contractId) === canonicalContract(contractId)
        ? { ...link, provider: standing.key }
        : link,
    );
    const providersNow = standing.wanted ? [...rest, { ...standing.wanted, linkName }] : rest;
    return { ...before, providers: providersNow, links };
  }, remembered);
}

/** Links that still lead to the provider of a swap that did not stand. */
export function linksAstray(
  { links }: Wanted,
  { contractId, linkName: name, stands, providers, elsewhere }: InterruptedSwap,
): readonly LinkRecord[] {
  const standing = providers?.[stands];
  const other = providers?.[stands === "new" ? "old" : "new"];
  // Given to the host by a program, it comes back with that.
  if (!standing?.wanted || !other || elsewhere || standing.key === other.key) return [];
  return [...links.values()].filter(
    ({ spec: { provider, linkName, providerLinkName = linkName, contractId: contract } }) =>
      provider === other.key &&
      providerLinkName === name &&
      canonicalContract(contract) === canonicalContract(contractId),
  );
}

function isSame(a: RememberedProvider, b: RememberedProvider): boolean {
  return (
    a.reference === b.reference && a.digest === b.digest && a.linkName === b.linkName && isSameTexts(a.config, b.config)
  );
}

function isSameTexts(a: Texts, b: Texts): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}
