import { fail } from "./errors.ts";
import type { KeyPair } from "./nkeys.ts";
import { checkKeyKind, decodeToken, encodeToken, verifyToken } from "./tokens.ts";
import type { Token } from "./tokens.ts";

/**
 * Claims: what a token says of an actor or of a provider archive.
 * Source: waPC and actors reference, sections 5.3 and 5.4.
 */

/** The three shapes in which actor tokens were written; see section 5.3 of the reference. */
export type TokenShape = "flat" | "nameless" | "full";

/** Plain data that may cross threads. Times are in seconds since 1970. */
export interface ActorClaims {
  /** The actor's own key (M). */
  readonly key: string;
  /** The account that signed (A). */
  readonly issuer: string;
  /** The key, where the token has no name. */
  readonly name: string;
  /** Id of the token, 22 characters. */
  readonly tokenId: string;
  readonly issuedAt: number;
  /** From this moment on the actor must not accept calls. */
  readonly expiresAt: number | undefined;
  readonly notBefore: number | undefined;
  /** Upper-case hex SHA-256 of the module without its token sections. */
  readonly hash: string;
  /** Contract ids as signed; those of E0 to E2 may also name actors by key. */
  readonly capabilities: readonly string[];
  readonly tags: readonly string[];
  /** Signed 32-bit. Absent is not 0: see `compareRevisions`. */
  readonly revision: number | undefined;
  /** For display only. */
  readonly version: string | undefined;
  readonly callAlias: string | undefined;
  /** True for a waSCC portable provider: a provider that is itself a waPC guest. */
  readonly portableProvider: boolean;
  readonly token: string;
  readonly shape: TokenShape;
}

declare const verified: unique symbol;

/** Claims whose signature and key kinds were checked. Only `verifyActorToken` makes them. */
export type VerifiedActorClaims = ActorClaims & { readonly [verified]: true };

/** What is signed of an actor, apart from the hash. */
export interface ActorMetadata {
  readonly name?: string | undefined;
  readonly capabilities?: readonly string[];
  readonly tags?: readonly string[];
  readonly revision?: number | undefined;
  readonly version?: string | undefined;
  readonly callAlias?: string | undefined;
  readonly portableProvider?: boolean;
  readonly issuedAt?: number;
  readonly expiresAt?: number | undefined;
  readonly notBefore?: number | undefined;
}

/** Of a provider archive (`.par`). */
export interface ProviderClaims {
  /** V key. */
  readonly key: string;
  readonly issuer: string;
  readonly name: string;
  readonly tokenId: string;
  readonly issuedAt: number;
  readonly expiresAt: number | undefined;
  readonly notBefore: number | undefined;
  readonly contractId: string;
  readonly vendor: string;
  readonly revision: number | undefined;
  readonly version: string | undefined;
  /** Hash of each binary by target, for example `x86_64-linux`. */
  readonly targetHashes: ReadonlyMap<string, string>;
  /** JSON schema of the configuration, as parsed; undefined when there is none. */
  readonly configSchema: unknown;
  /** Whether its module for Node may open connections and listen; a field of ours, which old hosts pass over. */
  readonly network: boolean;
  readonly token: string;
}

/**
 * Reads the claims of an actor's token and trusts nothing: for inspection only.
 * @throws LatticeError TOKEN_MALFORMED, TOKEN_KIND when it is no actor's token.
 */
export function decodeActorClaims(text: string, of: string): ActorClaims {
  return toActorClaims(decodeToken(text, of), of);
}

/**
 * Checks form, key kinds (issuer A, subject M) and signature. Hash, dates and issuers are the
 * module's: `ActorModule` checks them.
 * @throws LatticeError TOKEN_MALFORMED, TOKEN_KEY_KIND, TOKEN_KIND, TOKEN_SIGNATURE_INVALID.
 */
export function verifyActorToken(text: string, of: string): VerifiedActorClaims {
  const token = verifyToken(text, of);
  checkKeyKind(token, "iss", "account", of);
  checkKeyKind(token, "sub", "module", of);
  return toActorClaims(token, of) as VerifiedActorClaims;
}

/**
 * The token of an actor whose module has this hash.
 * @throws LatticeError OPTION_OUT_OF_RANGE when the revision is not a signed 32-bit number.
 */
export function encodeActorToken(subject: string, hash: string, metadata: ActorMetadata, issuer: KeyPair): string {
  const { revision } = metadata;
  if (revision !== undefined && revision !== (revision | 0))
    throw fail("OPTION_OUT_OF_RANGE", "revision", revision, "a signed 32-bit integer");
  return encodeToken(
    {
      subject,
      issuedAt: metadata.issuedAt,
      expiresAt: metadata.expiresAt,
      notBefore: metadata.notBefore,
      metadata: {
        name: metadata.name,
        hash,
        tags: metadata.tags ?? [],
        caps: metadata.capabilities ?? [],
        rev: revision,
        ver: metadata.version,
        call_alias: metadata.callAlias === undefined ? undefined : normalizeCallAlias(metadata.callAlias),
        prov: metadata.portableProvider ?? false,
      },
    },
    issuer,
  );
}

/**
 * A call alias as signers write it: trimmed, lower case, ASCII only; blanks, `-` and `.` become `_`.
 * Source: waPC and actors reference, section 14.
 */
export function normalizeCallAlias(alias: string): string {
  return alias
    .trim()
    .toLowerCase()
    .replaceAll(/\P{ASCII}/gu, "")
    .replaceAll(/[\s.-]/g, "_");
}

/**
 * Order of two revisions of one actor: negative when `a` is the older. The pair (`rev` or 0, `iat`)
 * decides, since hosts that took `iat` in place of a missing `rev` refused a real update from 0 to 1.
 * Source: waPC and actors reference, section 5.4.
 */
export function compareRevisions(
  a: Pick<ActorClaims, "revision" | "issuedAt">,
  b: Pick<ActorClaims, "revision" | "issuedAt">,
): number {
  return (a.revision ?? 0) - (b.revision ?? 0) || a.issuedAt - b.issuedAt;
}

/**
 * Reads the claims of a provider archive's token and trusts nothing.
 * @throws LatticeError TOKEN_MALFORMED, also when a member that every provider has is missing.
 */
export function decodeProviderClaims(text: string, of: string): ProviderClaims {
  return toProviderClaims(decodeToken(text, of));
}

/** Like `decodeProviderClaims` with signature and key kinds checked (issuer A, subject V). */
export function verifyProviderToken(text: string, of: string): ProviderClaims {
  const token = verifyToken(text, of);
  checkKeyKind(token, "iss", "account", of);
  checkKeyKind(token, "sub", "service", of);
  return toProviderClaims(token);
}

function toActorClaims(token: Token, of: string): ActorClaims {
  const { metadata } = token;
  if (metadata.has("target_hashes") || metadata.has("capid"))
    throw fail("TOKEN_KIND", of, "it is a provider archive's");
  if (!metadata.has("hash")) throw fail("TOKEN_KIND", of, "it has no module hash");
  const name = metadata.optionalLabel("name");
  const revision = metadata.optionalInteger("rev");
  if (revision !== undefined && revision !== (revision | 0))
    throw fail("TOKEN_MALFORMED", of, "rev is not a signed 32-bit integer");
  return {
    key: token.subject,
    issuer: token.issuer,
    name: name === undefined || name === "" ? token.subject : name,
    tokenId: token.id,
    issuedAt: token.issuedAt,
    expiresAt: token.expiresAt,
    notBefore: token.notBefore,
    hash: metadata.text("hash"),
    // Some unprivileged actors were signed with one empty capability (reference, section 5.4).
    capabilities: metadata.optionalLabels("caps").filter((capability) => capability !== ""),
    tags: metadata.optionalLabels("tags"),
    revision,
    version: metadata.optionalLabel("ver"),
    callAlias: metadata.optionalLabel("call_alias"),
    portableProvider: metadata.flag("prov"),
    token: token.text,
    shape: token.flat ? "flat" : name === undefined ? "nameless" : "full",
  };
}

function toProviderClaims(token: Token): ProviderClaims {
  const { metadata } = token;
  return {
    key: token.subject,
    issuer: token.issuer,
    name: metadata.optionalLabel("name") ?? token.subject,
    tokenId: token.id,
    issuedAt: token.issuedAt,
    expiresAt: token.expiresAt,
    notBefore: token.notBefore,
    contractId: metadata.text("capid"),
    vendor: metadata.optionalLabel("vendor") ?? "",
    revision: metadata.optionalInteger("rev"),
    version: metadata.optionalLabel("ver"),
    targetHashes: metadata.textMap("target_hashes"),
    configSchema: metadata.json("config_schema"),
    network: metadata.flag("network"),
    token: token.text,
  };
}
