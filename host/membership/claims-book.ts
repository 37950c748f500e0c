import {
  type ActorClaims,
  describe,
  isLatticeError,
  isPublicKey,
  type ProviderClaims,
  type State,
  type StateWatch,
  verifyActorToken,
  verifyProviderToken,
} from "../../lattice/index.ts";
import type { ProviderSpec } from "../engine-messages.ts";
import type { Host } from "../host.ts";
import { expiryText } from "../shown-rows.ts";
import { ClaimedAliases } from "./claimed-aliases.ts";
import { Unannounced } from "./unannounced.ts";

/** Stored claims that are kept; more would be an attack. */
const mostEntries = 50_000;
/** Of one of them. */
const mostBytes = 262_144;
const shortestWaitMs = 250;
const longestWaitMs = 5_000;

/** What the lattice's bucket says of one actor or provider, checked as far as it can be. */
interface StoredClaims {
  readonly row: Readonly<Record<string, unknown>>;
  /** The claims of its token; undefined when it has none or a bad one, and then nothing is believed. */
  readonly verified: ActorClaims | undefined;
  /** The same of a provider's archive. */
  readonly provider: ProviderClaims | undefined;
}

/** The other hosts of ours, as this one hears them. */
interface Others {
  /** Whether one of them announces an actor or provider of this key. */
  readonly runsElsewhere: (key: string) => boolean;
  /** False while the servers are away. */
  readonly hears: () => boolean;
}

/**
 * Claims and references that the hosts of a lattice share: ours are written with their token when they
 * start; those of others are believed only as far as their token goes.
 * Source: lattice protocol reference, section 10; captures of 0.82, section 6.
 */
export class ClaimsBook {
  readonly #host: Host;
  readonly #state: State;
  readonly #stored = new Map<string, StoredClaims>();
  /** Whose they are, and the key under which that is stored. */
  readonly #references = new Map<string, { readonly key: string; readonly name: string }>();
  readonly #end: () => void;
  readonly #written = new Map<string, string>();
  /** Actors and providers that stopped here, in order, and may run elsewhere. */
  readonly #leaving = new Set<string>();
  readonly #others: Others;
  readonly #unannounced: Unannounced;
  readonly #aliases: ClaimedAliases;
  #watch: StateWatch | undefined;
  #retry: NodeJS.Timeout | undefined;
  #writing = Promise.resolve();
  #closed = false;
  #warned = false;

  constructor(host: Host, state: State, others: Others) {
    this.#host = host;
    this.#others = others;
    this.#unannounced = new Unannounced(host.config.membership.claimsAgeMs, () => this.#look());
    this.#state = state;
    this.#aliases = new ClaimedAliases({
      claims: () => this.#verified(),
      issuers: host.config.issuers,
      onChange: (aliases) => this.#tellAliases(aliases),
    });
    this.#end = host.events.subscribe(({ type, data }) => {
      if (type === "actor_started" || type === "actor_updated" || type === "provider_started") this.write();
      const { public_key: key } = data;
      if ((type === "actor_stopped" || type === "provider_stopped") && typeof key === "string") this.#left(key);
    });
  }

  /** Reads what stands, writes what runs here. While the state is away it is tried again for ever. */
  async open(waitMs = shortestWaitMs): Promise<void> {
    if (this.#closed || this.#watch) return;
    clearTimeout(this.#retry);
    try {
      const watch = await this.#state.watch("*", (change) =>
        this.#take(change.key, change.kind === "put" ? change.value : undefined),
      );
      if (this.#closed) return watch.stop();
      this.#watch = watch;
      this.#written.clear();
      this.write();
    } catch {
      this.#retry = setTimeout(() => void this.open(Math.min(waitMs * 2, longestWaitMs)), waitMs).unref();
    }
  }

  /** All claims that are known, as clients read them: first those that run here. */
  async list(): Promise<object[]> {
    const here = this.#ownRows();
    const rows = new Map<string, object>(here.map(({ key, row }) => [key, listed(row)]));
    for (const [key, { row }] of this.#stored) if (!rows.has(key)) rows.set(key, listed(row));
    return [...rows.values()];
  }

  /** Claims of the lattice that are of nothing here, as our own command line lists them; `expires` is empty where no token says it. */
  others(): object[] {
    const here = new Set(this.#ownRows().map(({ key }) => key));
    return [...this.#stored].flatMap(([key, { row, verified: actor, provider }]) => {
      if (here.has(key)) return [];
      const claims = actor ?? provider;
      const contract = textOf(row, "contract_id");
      return {
        sub: key,
        iss: textOf(row, "issuer", "iss"),
        name: textOf(row, "name"),
        ...(contract === "" ? {} : { contract_id: contract }),
        caps: textOf(row, "capabilities", "caps"),
        rev: textOf(row, "revision", "rev"),
        version: textOf(row, "version"),
        tags: textOf(row, "tags"),
        call_alias: textOf(row, "call_alias"),
        expires: claims ? expiryText(claims.expiresAt) : "",
      };
    });
  }

  /** The verified claims of an actor key, from its stored token. */
  get(key: string): ActorClaims | undefined {
    return this.#stored.get(key)?.verified;
  }

  /** The verified claims of a provider key, from its stored token. */
  provider(key: string): ProviderClaims | undefined {
    return this.#stored.get(key)?.provider;
  }

  /** The key that a reference stands for, when a host has said so. */
  keyOfReference(reference: string): string | undefined {
    return this.#references.get(reference)?.key;
  }

  /** Other hosts announce other actors and providers than before. */
  peersChanged(): void {
    if (this.#leaving.size > 0) this.write();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#end();
    this.#aliases.stop();
    this.#unannounced.stop();
    this.#watch?.stop();
  }

  /** Writes what runs here and is not yet written so. */
  write(): void {
    if (!this.#watch) return;
    this.#writing = this.#writing
      .then(() => this.#write())
      .catch((error: unknown) => {
        const why = isLatticeError(error) ? error.message : describe(error);
        this.#host.logger.warn(`claims are not shared: ${why}`);
      });
  }

  async #write(): Promise<void> {
    for (const { key, row, references } of this.#ownRows()) {
      await this.#put(`CLAIMS_${key}`, JSON.stringify(row));
      for (const reference of references) await this.#putReference(reference, key);
    }
    for (const key of this.#leaving) await this.#retire(key);
  }

  /**
   * What a lost host leaves: keys that nobody has announced for long. While this host hears nobody it does not know;
   * one that was only cut off finds its own deleted, and writes them again.
   */
  #look(): void {
    if (!this.#watch || !this.#others.hears() || this.#host.state !== "running") return this.#unannounced.forget();
    const here = new Set(this.#ownRows().map(({ key }) => key));
    const theirs = [...this.#references.values()].map(({ key }) => key).filter((key) => !this.#stored.has(key));
    const ours = [...this.#stored].flatMap(([key, { row }]) => (row["jwt"] === undefined ? [] : [key]));
    for (const key of this.#unannounced.due(
      [...ours, ...theirs].filter((key) => !here.has(key) && !this.#others.runsElsewhere(key)),
    ))
      this.#leaving.add(key);
    if (this.#leaving.size > 0) this.write();
  }

  /** A host that stops leaves its claims: it may come back with what it ran. */
  #left(key: string): void {
    if (this.#host.state !== "running") return;
    this.#leaving.add(key);
    this.write();
  }

  /**
   * Deletes the claims of what no host of ours runs any more. Rows without a token are those of 0.x hosts, which do
   * not announce themselves and keep their claims for ever.
   */
  async #retire(key: string): Promise<void> {
    if (this.#host.state !== "running" || this.#runsHere(key)) return void this.#leaving.delete(key);
    if (this.#others.runsElsewhere(key)) return;
    const name = `CLAIMS_${key}`;
    const entry = await this.#state.get(name);
    const isOurs = entry && (read(entry.value)?.["jwt"] !== undefined || textIs(entry.value, this.#written.get(name)));
    if (isOurs) await this.#state.delete(name, { revision: entry.revision }).catch(unlessChanged);
    this.#written.delete(name);
    if (!entry || isOurs) await this.#forgetReferences(key);
    this.#leaving.delete(key);
  }

  async #forgetReferences(key: string): Promise<void> {
    for (const { key: of, name } of this.#references.values()) {
      if (of !== key) continue;
      const entry = await this.#state.get(name);
      if (entry && read(entry.value)?.["public_key"] === key)
        await this.#state.delete(name, { revision: entry.revision }).catch(unlessChanged);
      this.#written.delete(name);
    }
  }

  #runsHere(key: string): boolean {
    return this.#ownRows().some((own) => own.key === key);
  }

  async #putReference(reference: string, key: string): Promise<void> {
    const name = referenceName(reference);
    if (await this.#put(name, JSON.stringify({ oci_url: reference, public_key: key })))
      this.#host.events.emit("refmap_set", { oci_url: reference, public_key: key });
  }

  /** True when it was not written so before. */
  async #put(key: string, value: string): Promise<boolean> {
    if (this.#closed || this.#written.get(key) === value) return false;
    await this.#state.put(key, Buffer.from(value));
    this.#written.set(key, value);
    return true;
  }

  #ownRows(): { key: string; row: Readonly<Record<string, unknown>>; references: readonly string[] }[] {
    const actors = [...this.#host.wanted.placements.values()].map(({ spec: { module }, reference }) => ({
      key: module.key,
      row: storedActor(module.claims),
      references: isReference(reference) ? [reference] : [],
    }));
    const providers = [...this.#host.wanted.providers.values()].map(({ spec, reference }) => ({
      key: spec.key,
      row: storedProvider(spec),
      references: isReference(reference) ? [reference] : [],
    }));
    return [...actors, ...providers];
  }

  #take(key: string, value: Uint8Array | undefined): void {
    if (key.startsWith("REFMAP_")) return this.#takeReference(key, value);
    if (!key.startsWith("CLAIMS_")) return;
    const subject = key.slice("CLAIMS_".length);
    const row = value && rowOf(subject, value);
    if (value && !row) this.#warnOnce(key);
    if (!value) this.#rewrite(key, subject);
    if (!row) this.#stored.delete(subject);
    else if (this.#stored.has(subject) || this.#stored.size < mostEntries)
      this.#stored.set(subject, { row, ...verified(subject, row["jwt"]) });
    this.#aliases.changed();
  }

  /** What another deleted while it runs here too is written again. */
  #rewrite(name: string, key: string): void {
    if (!this.#written.delete(name) || !this.#runsHere(key)) return;
    this.write();
  }

  #warnOnce(key: string): void {
    if (this.#warned) return;
    this.#warned = true;
    this.#host.logger.warn(`${key} in the lattice's bucket is no claims and is left out; others like it are not told`);
  }

  *#verified(): Generator<ActorClaims> {
    for (const { verified: claims } of this.#stored.values()) if (claims) yield claims;
  }

  #tellAliases(aliases: Readonly<Record<string, string>>): void {
    this.#host.fleet.apply({ type: "put-aliases", aliases }).catch((error: unknown) => {
      if (this.#host.state === "running")
        this.#host.logger.warn(`call aliases of the lattice do not take effect: ${describe(error)}`);
    });
  }

  #takeReference(key: string, value: Uint8Array | undefined): void {
    if (!value) {
      for (const [reference, { key: subject, name }] of this.#references) {
        if (name !== key) continue;
        this.#references.delete(reference);
        this.#rewrite(name, subject);
      }
      return;
    }
    const { oci_url: reference, public_key: subject } = read(value) ?? {};
    if (typeof reference !== "string" || typeof subject !== "string" || !isSubject(subject)) return;
    // What stands under another's name could not be found again by it.
    if (key.replace(/=+$/, "") !== referenceName(reference)) return;
    if (this.#references.has(reference) || this.#references.size < mostEntries)
      this.#references.set(reference, { key: subject, name: key });
  }
}

/** Source: lattice protocol reference, section 10. */
function referenceName(reference: string): string {
  return `REFMAP_${Buffer.from(reference).toString("base64url")}`;
}

/** What of an actor is stored; `jwt` is ours, and proves the rest. */
function storedActor(claims: ActorClaims): Readonly<Record<string, unknown>> {
  return {
    call_alias: claims.callAlias ?? "",
    capabilities: claims.capabilities,
    issuer: claims.issuer,
    name: claims.name,
    revision: String(claims.revision ?? 0),
    subject: claims.key,
    tags: claims.tags,
    version: claims.version ?? "",
    jwt: claims.token,
  };
}

/** The same of a provider; of one that nobody signed there is little to say. */
function storedProvider({ key, name, contractId, claims }: ProviderSpec): Readonly<Record<string, unknown>> {
  const { issuer = "", revision = 0, version = "", configSchema, token } = claims ?? {};
  return {
    contract_id: contractId,
    issuer,
    name,
    revision: String(revision),
    subject: key,
    version,
    ...(configSchema === undefined ? {} : { config_schema: JSON.stringify(configSchema) }),
    ...(token === undefined ? {} : { jwt: token }),
  };
}

/** A row of `get.claims`, under the names of both dialects. Source: lattice protocol reference, section 6.3. */
function listed(row: Readonly<Record<string, unknown>>): object {
  const subject = textOf(row, "subject", "sub");
  const issuer = textOf(row, "issuer", "iss");
  const revision = textOf(row, "revision", "rev");
  const common = { iss: issuer, issuer, name: textOf(row, "name"), rev: revision, revision, sub: subject, subject };
  const version = textOf(row, "version");
  if (row["contract_id"] !== undefined && subject.startsWith("V"))
    return { contract_id: textOf(row, "contract_id"), config_schema: textOf(row, "config_schema"), ...common, version };
  const caps = textOf(row, "capabilities", "caps");
  return {
    call_alias: textOf(row, "call_alias"),
    capabilities: caps,
    caps,
    ...common,
    tags: textOf(row, "tags"),
    version,
  };
}

/** The first of these members that is there: a text, or a list as one. */
function textOf(row: Readonly<Record<string, unknown>>, ...names: readonly string[]): string {
  for (const name of names) {
    const value = row[name];
    if (typeof value === "string") return value;
    if (Array.isArray(value)) return value.filter((each) => typeof each === "string").join(",");
  }
  return "";
}

function textIs(value: Uint8Array, text: string | undefined): boolean {
  return Buffer.from(value).toString("utf8") === text;
}

/** Who wrote in between knows better. */
function unlessChanged(error: unknown): void {
  if (!isLatticeError(error) || error.code !== "REVISION_CONFLICT") throw error;
}

/** The row of an actor or provider; undefined when it is none, or another's. */
function rowOf(subject: string, value: Uint8Array): Record<string, unknown> | undefined {
  const row = read(value);
  const said = row && textOf(row, "subject", "sub");
  return isSubject(subject) && (said === "" || said === subject) ? row : undefined;
}

function isSubject(key: string): boolean {
  return isPublicKey(key, "module") || isPublicKey(key, "service");
}

function read(value: Uint8Array): Record<string, unknown> | undefined {
  if (value.length > mostBytes) return undefined;
  try {
    const found: unknown = JSON.parse(Buffer.from(value).toString("utf8"));
    return typeof found === "object" && found !== null && !Array.isArray(found)
      ? (found as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

function verified(subject: string, token: unknown): Omit<StoredClaims, "row"> {
  const nothing = { verified: undefined, provider: undefined };
  if (typeof token !== "string") return nothing;
  const of = `the stored claims of ${subject}`;
  try {
    if (subject.startsWith("V")) {
      const provider = verifyProviderToken(token, of);
      return provider.key === subject ? { ...nothing, provider } : nothing;
    }
    const claims = verifyActorToken(token, of);
    return claims.key === subject ? { ...nothing, verified: claims } : nothing;
  } catch {
    return nothing;
  }
}

/** Names of files say nothing to other hosts. */
function isReference(reference: string): boolean {
  return /^(https?:\/\/|(child:)?builtin:|oci:)/.test(reference) || /^[\w.-]+(:\d+)?\/[\w./-]+[:@]/.test(reference);
}
