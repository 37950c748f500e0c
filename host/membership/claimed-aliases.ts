import { type ActorClaims, datesProblem } from "../../lattice/index.ts";

/** Claims that come close together are looked at once, in milliseconds. */
const coalesceMs = 50;
/** Dates are looked at again after so long at the latest, in milliseconds. */
const longestWaitMs = 3_600_000;

export interface ClaimedAliasesOptions {
  /** Those whose token was verified. */
  readonly claims: () => Iterable<ActorClaims>;
  /** Accounts whose actors are believed; undefined: any. */
  readonly issuers: readonly string[] | undefined;
  /** Told all aliases whenever one of them has changed. */
  readonly onChange: (aliases: Readonly<Record<string, string>>) => void;
}

/**
 * Call aliases that the lattice's claims tell of actors on hosts that do not announce themselves. Only
 * what an account has signed counts, and only within its dates: whoever can write to the bucket could
 * else send the calls of others where they like.
 * Source: lattice protocol reference, section 10 (fault: 0.5x hosts trust stored claims for call aliases).
 */
export class ClaimedAliases {
  readonly #options: ClaimedAliasesOptions;
  #timer: NodeJS.Timeout | undefined;
  #told = "{}";
  #stopped = false;

  constructor(options: ClaimedAliasesOptions) {
    this.#options = options;
  }

  /** Claims came, changed or went. */
  changed(): void {
    this.#lookIn(coalesceMs);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #lookIn(ms: number): void {
    if (this.#stopped) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#look(), ms).unref();
  }

  #look(): void {
    const { claims, issuers, onChange } = this.#options;
    const now = Date.now() / 1_000;
    const believed = [...claims()].filter(({ issuer }) => issuers === undefined || issuers.includes(issuer));
    const aliases = aliasesOf(believed.filter((each) => datesProblem(each, now) === undefined));
    const text = JSON.stringify(aliases);
    if (text !== this.#told) onChange(aliases);
    this.#told = text;
    const dates = believed.flatMap(({ callAlias, expiresAt, notBefore }) =>
      callAlias ? [expiresAt ?? 0, notBefore ?? 0] : [],
    );
    const next = Math.min(...dates.filter((date) => date > now));
    if (next < Infinity) this.#lookIn(Math.max(coalesceMs, Math.min((next - now) * 1_000, longestWaitMs)));
  }
}

/**
 * The keys behind call aliases. Of several actors of one account that claim the same the one signed
 * last; an alias that several accounts claim is nobody's, since which of them had it first is not known.
 */
export function aliasesOf(claims: readonly ActorClaims[]): Readonly<Record<string, string>> {
  const byAlias = new Map<string, ActorClaims[]>();
  for (const each of claims) {
    if (each.callAlias) byAlias.set(each.callAlias, [...(byAlias.get(each.callAlias) ?? []), each]);
  }
  const found: [alias: string, key: string][] = [];
  for (const [alias, holders] of byAlias) {
    if (new Set(holders.map(({ issuer }) => issuer)).size > 1) continue;
    const [last] = holders.toSorted((a, b) => b.issuedAt - a.issuedAt || (a.key < b.key ? -1 : 1));
    found.push([alias, last!.key]);
  }
  return Object.fromEntries(found.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
