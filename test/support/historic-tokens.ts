/**
 * Signs modules as tools of 2019 and 2020 did, whose token shapes no signer makes any more.
 *
 * Written against node:crypto alone, apart from the product's own trust code, so that the two can be
 * held against each other. Source: waPC and actors reference, sections 5 to 7.
 */
import { createHash, createPrivateKey, createPublicKey, randomBytes, sign } from "node:crypto";
import type { KeyObject } from "node:crypto";

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

function base32(bytes: Uint8Array): string {
  let text = "";
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    value = (value << 8) | byte;
    for (bits += 8; bits >= 5; bits -= 5) text += alphabet.charAt((value >>> (bits - 5)) & 31);
    value &= 0xff;
  }
  return bits > 0 ? text + alphabet.charAt((value << (5 - bits)) & 31) : text;
}

function fromBase32(text: string): Uint8Array {
  const bytes: number[] = [];
  let bits = 0;
  let value = 0;
  for (const letter of text) {
    value = ((value << 5) | alphabet.indexOf(letter)) & 0xfff;
    bits += 5;
    if (bits >= 8) bytes.push((value >>> (bits -= 8)) & 0xff);
  }
  return Uint8Array.from(bytes);
}

/** CRC-16/XMODEM, as nkeys end in, little-endian. */
function checksum(bytes: Uint8Array): number[] {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = ((crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0)) & 0xffff;
  }
  return [crc & 0xff, crc >> 8];
}

/** First byte of the public keys of each kind. */
const prefixes = { account: 0x00, module: 0x60, operator: 0x70, user: 0xa0, service: 0xa8 } as const;
export type KeyKind = keyof typeof prefixes;

export interface HistoricKey {
  /** 56 characters. */
  readonly publicKey: string;
  readonly private: KeyObject;
}

/** A key pair of some kind, new or from 32 bytes. */
export function historicKey(kind: KeyKind, seed: Uint8Array = randomBytes(32)): HistoricKey {
  const pkcs8 = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]);
  const key = createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" });
  const raw = createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-32);
  const encoded = Uint8Array.from([prefixes[kind], ...raw]);
  return { publicKey: base32(Uint8Array.from([...encoded, ...checksum(encoded)])), private: key };
}

/** A key pair from its seed text (58 characters, `SA...` or `SM...`). */
export function historicKeyFromSeed(text: string): HistoricKey {
  const bytes = fromBase32(text.trim());
  const prefix = ((bytes[0] ?? 0) & 7) * 32 + ((bytes[1] ?? 0) >> 3);
  const kind = (Object.keys(prefixes) as KeyKind[]).find((name) => prefixes[name] === prefix);
  if (bytes.length !== 36 || kind === undefined) throw new Error("not a seed of a known kind");
  return historicKey(kind, bytes.subarray(2, 34));
}

/** The seed text of 32 private bytes. */
export function historicSeed(kind: KeyKind, seed: Uint8Array): string {
  const prefix = prefixes[kind];
  const encoded = Uint8Array.from([0x90 | (prefix >> 5), (prefix & 31) << 3, ...seed]);
  return base32(Uint8Array.from([...encoded, ...checksum(encoded)]));
}

export interface HistoricClaims {
  /**
   * `flat`: hash, tags and caps beside iss and sub (2019); `nameless`: a `wascap` object without name,
   * revision and version (January and February 2020); `full`: since March 2020.
   */
  readonly shape: "flat" | "nameless" | "full";
  /** Seconds. */
  readonly issuedAt: number;
  readonly expiresAt?: number;
  readonly notBefore?: number;
  readonly capabilities: readonly string[];
  readonly tags?: readonly string[];
  readonly name?: string;
  readonly revision?: number;
  readonly version?: string;
  readonly callAlias?: string;
  readonly portableProvider?: boolean;
  /** Absent before wascap 0.9; 2 for 0.9.0 to 0.10.0; 3 later. */
  readonly wascapRevision?: number;
  /** Takes the place of the module's real hash. */
  readonly hash?: string;
}

/** The custom section that a token of that time lies in. */
export type TokenSection = "jwt" | "wasmcloud_jwt";

/** Upper-case hex SHA-256 over the file's own bytes without its token sections. */
export function historicHash(module: Uint8Array): string {
  return createHash("sha256").update(withoutTokens(module)).digest("hex").toUpperCase();
}

/** The token alone, for a module of these bytes. */
export function historicToken(
  module: Uint8Array,
  claims: HistoricClaims,
  keys: { issuer: HistoricKey; subject: HistoricKey },
): string {
  const metadata = {
    ...(claims.shape === "full" && claims.name !== undefined && { name: claims.name }),
    hash: claims.hash ?? historicHash(module),
    tags: claims.tags ?? [],
    caps: claims.capabilities,
    ...(claims.shape === "full" && { rev: claims.revision ?? 1, ver: claims.version ?? "0.1.0" }),
    ...(claims.callAlias !== undefined && { call_alias: claims.callAlias }),
    ...(claims.shape !== "flat" && { prov: claims.portableProvider ?? false }),
  };
  const body = {
    jti: base32(randomBytes(14)).slice(0, 22),
    iat: claims.issuedAt,
    ...(claims.expiresAt !== undefined && { exp: claims.expiresAt }),
    ...(claims.notBefore !== undefined && { nbf: claims.notBefore }),
    iss: keys.issuer.publicKey,
    sub: keys.subject.publicKey,
    ...(claims.shape === "flat" ? metadata : { wascap: metadata }),
    ...(claims.wascapRevision !== undefined && { wascap_revision: claims.wascapRevision }),
  };
  const segments = [{ typ: "jwt", alg: "Ed25519" }, body].map((part) =>
    Buffer.from(JSON.stringify(part)).toString("base64url"),
  );
  const signed = segments.join(".");
  return `${signed}.${sign(undefined, Buffer.from(signed), keys.issuer.private).toString("base64url")}`;
}

/** The module with its token in a last custom section; tokens it had are dropped. */
export function signHistorically(
  module: Uint8Array,
  claims: HistoricClaims,
  keys: { issuer: HistoricKey; subject: HistoricKey },
  section: TokenSection = "jwt",
): Uint8Array {
  return appendSection(withoutTokens(module), section, Buffer.from(historicToken(module, claims, keys)));
}

/** Appends a custom section. */
export function appendSection(module: Uint8Array, name: string, content: Uint8Array): Uint8Array {
  const body = Buffer.concat([leb(name.length), Buffer.from(name), content]);
  return Buffer.concat([module, Uint8Array.of(0), leb(body.length), body]);
}

function leb(value: number): Uint8Array {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return Uint8Array.from([...bytes, rest]);
    bytes.push((rest & 0x7f) | 0x80);
  }
}

function withoutTokens(module: Uint8Array): Uint8Array {
  const kept = [module.subarray(0, 8)];
  for (let at = 8; at < module.length;) {
    const [length, body] = readLeb(module, at + 1);
    const end = body + length;
    let token = false;
    if (module[at] === 0) {
      const [nameLength, name] = readLeb(module, body);
      const text = Buffer.from(module.subarray(name, name + nameLength)).toString();
      token = text === "jwt" || text === "wasmcloud_jwt";
    }
    if (!token) kept.push(module.subarray(at, end));
    at = end;
  }
  return Buffer.concat(kept);
}

function readLeb(bytes: Uint8Array, start: number): [value: number, next: number] {
  let value = 0;
  let shift = 0;
  let at = start;
  for (;;) {
    const byte = bytes[at++] ?? 0;
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return [value, at];
    shift += 7;
  }
}
