import { fail } from "./errors.ts";
import { Fields } from "./token-fields.ts";
import { describeKind, isPublicKey, verifySignature } from "./nkeys.ts";
import type { KeyPair } from "./nkeys.ts";
import { nuid } from "./nuid.ts";

/**
 * Tokens: the signed text in a module, archive or invocation. A JWT with its own algorithm name, so
 * that no JWT library reads it. Source: waPC and actors reference, sections 5.1 to 5.3.
 */
const header = { typ: "jwt", alg: "Ed25519" } as const;
const encodedHeader = Buffer.from(JSON.stringify(header)).toString("base64url");

/** Written into new tokens; it makes old verifiers check the module hash as well. */
const wascapRevision = 3;

/** Far above the 1 KiB of real tokens; a provider's configuration schema is the largest part met. */
export const maxTokenLength = 256 * 1024;
const maxJsonDepth = 32;

/** What every token says, whatever its subject. Times are in seconds since 1970. */
export interface Token {
  readonly text: string;
  readonly id: string;
  readonly issuer: string;
  readonly subject: string;
  readonly issuedAt: number;
  readonly expiresAt: number | undefined;
  readonly notBefore: number | undefined;
  /** `wascap_revision`; absent before wascap 0.9. */
  readonly revision: number | undefined;
  /** What is said of the subject: the `wascap` object, or the whole body in the flat tokens of 2019. */
  readonly metadata: Fields;
  readonly flat: boolean;
}

declare const verified: unique symbol;

/** A token whose signature was checked. Only `verifyToken` makes one. Dates are not part of it: see `checkDates`. */
export type VerifiedToken = Token & { readonly [verified]: true };

/** What `encodeToken` signs. The issuer is the key that signs. */
export interface TokenBody {
  readonly subject: string;
  /** As it stands in `wascap`; undefined members are left out. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Default now. */
  readonly issuedAt?: number;
  readonly expiresAt?: number;
  readonly notBefore?: number;
}

/**
 * Reads a token without checking its signature: for inspection, and for `verifyToken`.
 * `of` names the file in errors.
 * @throws LatticeError TOKEN_MALFORMED.
 */
export function decodeToken(text: string, of: string): Token {
  return splitToken(text, of).token;
}

/**
 * Checks that the signature over the received segments is the issuer's.
 * @throws LatticeError TOKEN_MALFORMED, TOKEN_KEY_KIND when issuer or subject is not a key, TOKEN_SIGNATURE_INVALID.
 */
export function verifyToken(text: string, of: string): VerifiedToken {
  const { token, signedPart, signature } = splitToken(text, of);
  for (const [field, key] of [
    ["iss", token.issuer],
    ["sub", token.subject],
  ] as const)
    if (!isPublicKey(key))
      throw fail("TOKEN_KEY_KIND", of, field, "a public key", key === "" ? "nothing" : "other text");
  if (!verifySignature(token.issuer, Buffer.from(signedPart), signature)) throw fail("TOKEN_SIGNATURE_INVALID", of);
  return token as VerifiedToken;
}

/** The signed text of `body`. @throws LatticeError KEY_WRONG_KIND when a curve key signs. */
export function encodeToken(body: TokenBody, issuer: KeyPair): string {
  const claims = {
    jti: nuid(),
    iat: body.issuedAt ?? Math.floor(Date.now() / 1000),
    iss: issuer.publicKey,
    sub: body.subject,
    exp: body.expiresAt,
    nbf: body.notBefore,
    wascap: body.metadata,
    wascap_revision: wascapRevision,
  };
  const signedPart = `${encodedHeader}.${Buffer.from(JSON.stringify(claims)).toString("base64url")}`;
  return `${signedPart}.${Buffer.from(issuer.sign(Buffer.from(signedPart))).toString("base64url")}`;
}

/** What the dates of a token say at a moment. `problem` is undefined while it may be used. */
export function datesProblem(
  token: { readonly expiresAt: number | undefined; readonly notBefore: number | undefined },
  nowSeconds: number,
): "expired" | "early" | undefined {
  if (token.expiresAt !== undefined && nowSeconds >= token.expiresAt) return "expired";
  return token.notBefore !== undefined && nowSeconds < token.notBefore ? "early" : undefined;
}

/**
 * Refuses a token outside its dates. Cheap: the host calls it again while an actor runs.
 * The moment to watch for is `expiresAt` itself: from then on the token is expired.
 * @throws LatticeError TOKEN_EXPIRED, TOKEN_TOO_EARLY, naming `of` (default the token's own name).
 */
export function checkDates(
  token: { readonly name?: string; readonly expiresAt: number | undefined; readonly notBefore: number | undefined },
  nowSeconds: number = Date.now() / 1000,
  of: string = token.name ?? "this",
): void {
  const problem = datesProblem(token, nowSeconds);
  if (problem === "expired") throw fail("TOKEN_EXPIRED", of, printTime(token.expiresAt!));
  if (problem === "early") throw fail("TOKEN_TOO_EARLY", of, printTime(token.notBefore!));
}

/** ISO 8601 of seconds; far beyond the calendar it is the number itself. */
export function printTime(seconds: number): string {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? `second ${seconds}` : date.toISOString().replace(".000Z", "Z");
}

/** Refuses a key of another kind in `field` (`iss`, `sub`). @throws LatticeError TOKEN_KEY_KIND. */
export function checkKeyKind(
  token: Token,
  field: "iss" | "sub",
  kind: Parameters<typeof describeKind>[0],
  of: string,
): void {
  const key = field === "iss" ? token.issuer : token.subject;
  if (!isPublicKey(key, kind))
    throw fail("TOKEN_KEY_KIND", of, field, describeKind(kind), isPublicKey(key) ? `a key ${key[0]}...` : "other text");
}

/** A token read, with what its signature is over. */
export interface SplitToken {
  readonly token: Token;
  readonly signedPart: string;
  readonly signature: Uint8Array;
}

/**
 * Reads a token and checks nothing but its form: for those who verify with keys of their own, such as
 * invocations, whose subject is no key.
 * @throws LatticeError TOKEN_MALFORMED.
 */
export function splitToken(text: string, of: string): SplitToken {
  if (text.length > maxTokenLength)
    throw fail("TOKEN_MALFORMED", of, `it has ${text.length} characters, more than ${maxTokenLength}`);
  const segments = text.split(".", 4);
  const [first, second, third] = segments;
  if (segments.length !== 3 || first === undefined || second === undefined || third === undefined)
    throw fail("TOKEN_MALFORMED", of, "it has not three segments");
  // Nearly every token has the header as we write it; comparing text spares decoding it.
  if (first !== encodedHeader) checkHeader(readJson(first, "header", of), of);
  const body = new Fields(readJson(second, "claims", of), of);
  const signature = decodeSegment(third, "signature", of);
  const metadata = body.optionalObject("wascap");
  const token: Token = {
    text,
    id: body.optionalText("jti") ?? "",
    issuer: body.text("iss"),
    subject: body.text("sub"),
    issuedAt: body.seconds("iat"),
    expiresAt: body.optionalSeconds("exp"),
    notBefore: body.optionalSeconds("nbf"),
    revision: body.optionalInteger("wascap_revision"),
    metadata: metadata ?? body,
    flat: metadata === undefined,
  };
  return { token, signedPart: `${first}.${second}`, signature };
}

/** Both values literally, and nothing else: an unknown member could mean something to its writer. */
function checkHeader(found: Record<string, unknown>, of: string): void {
  if (found.typ !== header.typ || found.alg !== header.alg || Object.keys(found).length !== 2)
    throw fail("TOKEN_MALFORMED", of, `its header is not ${JSON.stringify(header)}`);
}

function decodeSegment(segment: string, what: string, of: string): Buffer {
  const bytes = Buffer.from(segment, "base64url");
  if (segment === "" || bytes.toString("base64url") !== segment)
    throw fail("TOKEN_MALFORMED", of, `its ${what} is not base64url without padding`);
  return bytes;
}

function readJson(segment: string, what: string, of: string): Record<string, unknown> {
  const bytes = decodeSegment(segment, what, of);
  if (jsonDepth(bytes) > maxJsonDepth) throw fail("TOKEN_MALFORMED", of, `its ${what} is nested too deep`);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw fail("TOKEN_MALFORMED", of, `its ${what} is not JSON`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw fail("TOKEN_MALFORMED", of, `its ${what} is not an object`);
  return value as Record<string, unknown>;
}

/** The deepest nesting of JSON text, found without parsing it. */
function jsonDepth(text: Uint8Array): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let at = 0; at < text.length; at++) {
    const byte = text[at];
    if (inString) {
      if (byte === 0x5c) at++;
      else if (byte === 0x22) inString = false;
    } else if (byte === 0x22) inString = true;
    else if (byte === 0x5b || byte === 0x7b) deepest = Math.max(deepest, ++depth);
    else if (byte === 0x5d || byte === 0x7d) depth--;
  }
  return deepest;
}
