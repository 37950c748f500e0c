import { fail, isLatticeError } from "../../errors.ts";
import { isPublicKey } from "../../nkeys.ts";
import type { KeyPair } from "../../nkeys.ts";
import { datesProblem, encodeToken, verifyToken } from "../../tokens.ts";
import type { VerifiedToken } from "../../tokens.ts";
import { rpcPolicies } from "./rpc-policy.ts";
import type { RpcPolicy } from "./rpc-policy.ts";

/**
 * A hello: who a host is and with which key it agrees session keys, signed by its host key (N), with
 * a voucher inside by which a cluster key (C) says that this host belongs. A JWT of about 1 100
 * characters, public: it travels in presence messages and at the beginning of a conversation.
 */
export interface Hello {
  /** N key. */
  readonly host: string;
  readonly lattice: string;
  /** Curve key (X) of the process; another one after each start. */
  readonly sessionKey: string;
  readonly rpc: RpcPolicy;
  /** Cluster key (C) of the voucher. */
  readonly issuer: string;
  /** Seconds since 1970. */
  readonly issuedAt: number;
  readonly expiresAt: number;
  readonly text: string;
}

declare const accepted: unique symbol;

/** A hello whose signatures, dates and lattice were checked. Only `acceptHello` makes one. */
export type AcceptedHello = Hello & { readonly [accepted]: true };

export interface HelloBody {
  readonly lattice: string;
  readonly sessionKey: string;
  readonly rpc: RpcPolicy;
  /** Seconds since 1970. */
  readonly issuedAt: number;
  readonly expiresAt: number;
}

/** What a cluster key signs of a host; no invocation or actor token could pass for it. */
const voucherPurpose = "wasmlattice host";
/** A token of ours is about 1 100 characters. */
const maxHelloLength = 8_192;

export function encodeHello(body: HelloBody, host: KeyPair, cluster: KeyPair): string {
  const { lattice, sessionKey, rpc, issuedAt, expiresAt } = body;
  const subject = host.publicKey;
  const dates = { subject, issuedAt, expiresAt };
  const voucher = encodeToken({ ...dates, metadata: { purpose: voucherPurpose, lattice } }, cluster);
  return encodeToken({ ...dates, metadata: { lattice, session_key: sessionKey, rpc, voucher } }, host);
}

export interface HelloRules {
  readonly lattice: string;
  /** Cluster keys (C) whose vouchers count. */
  readonly issuers: readonly string[];
  /** Seconds since 1970. Default now. */
  readonly nowSeconds?: number;
}

/**
 * Checks a hello: form, signature of the host key, lattice, dates, and the voucher of a cluster key
 * that is in the list. Two Ed25519 verifications, about 200 us: keep what it returns.
 * @throws LatticeError HELLO_REFUSED, saying why.
 */
export function acceptHello(
  text: string,
  { lattice, issuers, nowSeconds = Date.now() / 1_000 }: HelloRules,
): AcceptedHello {
  const token = verified(text, "of a host", "a host", nowSeconds);
  const host = token.subject;
  const refuse = (why: string): Error => fail("HELLO_REFUSED", host, why);
  if (!isPublicKey(host, "server") || token.issuer !== host) throw refuse("a host key signs for itself");
  const said = saidOf(token);
  if (said.lattice !== lattice) throw refuse(`it is of lattice ${said.lattice}, this is ${lattice}`);
  if (!isPublicKey(said.sessionKey, "curve")) throw refuse("its session key is no curve key");
  const rpc = rpcPolicies.find((each) => each === said.rpc);
  if (!rpc) throw refuse("it speaks no form of call that is known here");
  if (token.expiresAt === undefined) throw refuse("it never expires");
  const voucher = verified(said.voucher, `by which ${host} is vouched for`, host, nowSeconds);
  if (voucher.subject !== host) throw refuse("its voucher is for another host");
  const vouched = saidOf(voucher);
  if (vouched.purpose !== voucherPurpose || vouched.lattice !== lattice)
    throw refuse("its voucher is for something else");
  if (!issuers.includes(voucher.issuer))
    throw refuse(`cluster key ${voucher.issuer} is not in the list of cluster issuers: ${issuers.join(", ")}`);
  return {
    host,
    lattice,
    sessionKey: said.sessionKey,
    rpc,
    issuer: voucher.issuer,
    issuedAt: token.issuedAt,
    expiresAt: Math.min(token.expiresAt, voucher.expiresAt ?? token.expiresAt),
    text,
  } as AcceptedHello;
}

function verified(text: string, of: string, host: string, nowSeconds: number): VerifiedToken {
  if (text.length > maxHelloLength) throw fail("HELLO_REFUSED", host, `it is longer than ${maxHelloLength} characters`);
  try {
    const token = verifyToken(text, of);
    const problem = datesProblem(token, nowSeconds);
    if (problem === "expired") throw fail("HELLO_REFUSED", host, "it expired");
    if (problem === "early") throw fail("HELLO_REFUSED", host, "it may not be used yet");
    return token;
  } catch (error) {
    if (isLatticeError(error) && error.code !== "HELLO_REFUSED") throw fail("HELLO_REFUSED", host, error.message);
    throw error;
  }
}

function saidOf({ metadata, subject }: VerifiedToken) {
  try {
    return {
      lattice: metadata.optionalText("lattice") ?? "",
      sessionKey: metadata.optionalText("session_key") ?? "",
      rpc: metadata.optionalText("rpc") ?? "",
      voucher: metadata.optionalText("voucher") ?? "",
      purpose: metadata.optionalText("purpose") ?? "",
    };
  } catch (error) {
    throw fail("HELLO_REFUSED", subject, isLatticeError(error) ? error.message : "it is malformed");
  }
}
