import type { Provider } from "../../capabilities/index.ts";
import type { ProviderClaims } from "../../lattice/index.ts";

const signed = new WeakMap<Provider, ProviderClaims>();

/** Notes what was signed of a provider that was made from a verified archive. */
export function noteClaims<T extends Provider>(provider: T, claims: ProviderClaims): T {
  signed.set(provider, claims);
  return provider;
}

/** The verified claims of a provider's archive; undefined for one of ours or of the caller's, which nobody signed. */
export function claimsOfArchive(provider: Provider): ProviderClaims | undefined {
  return signed.get(provider);
}
