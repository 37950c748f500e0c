import { failFrom, fail, isLatticeError } from "../errors.ts";
import type { LatticeError } from "../errors.ts";
import { signatureVerifier } from "../nkeys.ts";
import { datesProblem, printTime, splitToken } from "../tokens.ts";
import type { SplitToken, Token } from "../tokens.ts";
import { entityUrl, isActorEntity, targetUrl } from "./entities.ts";
import type { WireEntity } from "./entities.ts";
import { invocationSums } from "./invocation-hash.ts";
import { ReplayCache } from "./replay-cache.ts";
import type { WireInvocation } from "./wire-invocation.ts";

declare const checked: unique symbol;
declare const proven: unique symbol;

/** An invocation of which all but the payload was checked: the payload may still have to be fetched. */
export type CheckedInvocation = WireInvocation & { readonly [checked]: true; readonly claimedHash: string };

/** An invocation whose sender and whole content are proven, the payload inside. Only `InvocationVerifier` makes one. */
export type VerifiedWireInvocation = WireInvocation & { readonly [proven]: true };

export interface VerifierOptions {
  /** Cluster keys (C) whose invocations are accepted, the own one included. */
  readonly issuers: readonly string[];
  /** Oldest token accepted, whatever it says itself: those of 0.82 never expire. Default 600. */
  readonly maxAgeSeconds?: number;
  /** Default one of its own. Share one among all verifiers of a thread. */
  readonly replay?: ReplayCache;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/**
 * Checks invocations that came over the wire, each refusal with a code of its own. Cheap checks come
 * first, the signature (80 us) last, and the id is remembered only when it held, so that nobody can
 * use up the id of another.
 *
 * What it cannot see: a message replayed to another host or thread that shares the target. Its id is
 * remembered where it came first only; the session form has no such gap.
 * Source: lattice protocol reference, section 3.4, column R; captures of 0.82, section 11.
 */
export class InvocationVerifier {
  readonly #verifiers: ReadonlyMap<string, ReturnType<typeof signatureVerifier>>;
  readonly #maxAgeSeconds: number;
  readonly #replay: ReplayCache;
  readonly #now: () => number;

  /** @throws LatticeError KEY_MALFORMED for an issuer that is no key. */
  constructor({ issuers, maxAgeSeconds = 600, replay = new ReplayCache(), now = Date.now }: VerifierOptions) {
    this.#verifiers = new Map(issuers.map((issuer) => [issuer, signatureVerifier(issuer)]));
    this.#maxAgeSeconds = maxAgeSeconds;
    this.#replay = replay;
    this.#now = now;
  }

  /**
   * Everything but the payload. `me` is whoever the subject belongs to; of a provider key and link
   * name count.
   * @throws LatticeError INVOCATION_HOST_ID, INVOCATION_MISDIRECTED, INVOCATION_MALFORMED,
   * INVOCATION_ISSUER_FOREIGN, INVOCATION_ID_ALTERED, INVOCATION_ORIGIN_ALTERED,
   * INVOCATION_TARGET_ALTERED, INVOCATION_EXPIRED, INVOCATION_TOO_EARLY, INVOCATION_SIGNATURE_INVALID,
   * INVOCATION_REPLAYED.
   */
  check(invocation: WireInvocation, me: WireEntity): CheckedInvocation {
    const { origin, target, operation, id, hostId } = invocation;
    if (!/^[NC].{55}$/.test(hostId)) throw fail("INVOCATION_HOST_ID", id, hostId);
    if (target.publicKey !== me.publicKey || (!isActorEntity(me) && target.linkName !== me.linkName))
      throw fail("INVOCATION_MISDIRECTED", id, entityUrl(target));
    const claims = readClaims(invocation);
    const { token } = claims;
    const verify = this.#verifiers.get(token.issuer);
    if (!verify)
      throw fail("INVOCATION_ISSUER_FOREIGN", id, token.issuer, [...this.#verifiers.keys()].join(", ") || "none");
    if (token.subject !== id) throw fail("INVOCATION_ID_ALTERED", id);
    if (claims.originUrl !== entityUrl(origin)) throw fail("INVOCATION_ORIGIN_ALTERED", id);
    if (claims.targetUrl !== targetUrl(target, operation)) throw fail("INVOCATION_TARGET_ALTERED", id);
    const nowSeconds = this.#now() / 1_000;
    const usableUntil = this.#checkDates(token, nowSeconds, id);
    if (!verify(Buffer.from(claims.signedPart), claims.signature)) throw fail("INVOCATION_SIGNATURE_INVALID", id);
    if (!this.#replay.add(id, usableUntil, nowSeconds)) throw fail("INVOCATION_REPLAYED", id);
    return { ...invocation, claimedHash: claims.hash } as CheckedInvocation;
  }

  /**
   * The invocation with its real payload, that of the message or the one that was fetched.
   * @throws LatticeError INVOCATION_PAYLOAD_ALTERED.
   */
  prove(invocation: CheckedInvocation, payload: Uint8Array = invocation.payload): VerifiedWireInvocation {
    const { claimedHash, ...rest } = invocation;
    if (invocationSums(rest, payload).hash !== claimedHash) throw fail("INVOCATION_PAYLOAD_ALTERED", rest.id);
    return { ...rest, payload } as unknown as VerifiedWireInvocation;
  }

  /** Until when the id must be remembered, in seconds since 1970. */
  #checkDates(token: Token, nowSeconds: number, id: string): number {
    const tooOldAt = token.issuedAt + this.#maxAgeSeconds;
    const expiresAt = Math.min(token.expiresAt ?? Infinity, tooOldAt);
    const notBefore = Math.max(token.notBefore ?? 0, token.issuedAt - this.#maxAgeSeconds);
    const problem = datesProblem({ expiresAt, notBefore }, nowSeconds);
    if (problem === "expired") throw fail("INVOCATION_EXPIRED", id, printTime(expiresAt));
    if (problem === "early") throw fail("INVOCATION_TOO_EARLY", id, printTime(notBefore));
    return expiresAt;
  }
}

interface InvocationClaims extends SplitToken {
  readonly originUrl: string;
  readonly targetUrl: string;
  readonly hash: string;
}

function readClaims({ token: text, id }: WireInvocation): InvocationClaims {
  try {
    const split = splitToken(text, `invocation ${id}`);
    const { metadata } = split.token;
    return {
      ...split,
      originUrl: metadata.text("origin_url"),
      targetUrl: metadata.text("target_url"),
      hash: metadata.text("hash"),
    };
  } catch (error) {
    if (isLatticeError(error)) throw malformed(error);
    throw error;
  }
}

function malformed(error: LatticeError): LatticeError {
  return failFrom(undefined, "INVOCATION_MALFORMED", error.message);
}
