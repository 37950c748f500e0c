import { createPrivateKey, createPublicKey, diffieHellman, generateKeyPairSync, sign, verify } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { inspect } from "node:util";
import { base32Decode, base32Encode } from "./base32.ts";
import { fail } from "./errors.ts";

/**
 * nkeys: Ed25519 keys (X25519 for curve keys) as text whose first letter says what the key is for.
 * A public key is base32 of prefix byte, 32 bytes and a CRC-16; a seed carries S and the kind.
 * Source: waPC and actors reference, section 6.
 */
const prefixes = {
  account: 0x00,
  cluster: 0x10,
  module: 0x60,
  server: 0x68,
  operator: 0x70,
  user: 0xa0,
  service: 0xa8,
  curve: 0xb8,
} as const;

export type KeyKind = keyof typeof prefixes;
export const keyKinds = Object.keys(prefixes) as readonly KeyKind[];

const seedPrefix = 0x90;
const kindOfPrefix = new Map<number, KeyKind>(keyKinds.map((kind) => [prefixes[kind], kind]));
const letters = Object.fromEntries(keyKinds.map((kind) => [kind, base32Encode(Uint8Array.of(prefixes[kind]))[0]!]));

/** The first letter of public keys of this kind, for example `M` of modules; it follows `S` in seeds. */
export function keyLetter(kind: KeyKind): string {
  return letters[kind]!;
}

/** The kind as people meet it, for messages: `module (M)`. */
export function describeKind(kind: KeyKind): string {
  return `${kind} (${keyLetter(kind)})`;
}

export interface PublicKey {
  readonly kind: KeyKind;
  /** 32 bytes. */
  readonly bytes: Uint8Array;
}

/** @throws LatticeError KEY_MALFORMED; the message never shows what may be a seed. */
export function decodePublicKey(text: string): PublicKey {
  const result = tryDecodePublicKey(text);
  if (typeof result === "string") throw fail("KEY_MALFORMED", abbreviate(text), result);
  return result;
}

/** True when `text` is a whole, well-formed public key (of `kind` when given). Never throws. */
export function isPublicKey(text: string, kind?: KeyKind): boolean {
  const result = tryDecodePublicKey(text);
  return typeof result !== "string" && (kind === undefined || result.kind === kind);
}

/** @throws LatticeError KEY_MALFORMED when there are not 32 bytes. */
export function encodePublicKey(kind: KeyKind, bytes: Uint8Array): string {
  if (bytes.length !== 32) throw fail("KEY_MALFORMED", "this", `a key has 32 bytes, not ${bytes.length}`);
  return encodeChecked([prefixes[kind]], bytes);
}

/** The seed text of 32 secret bytes. @throws LatticeError KEY_MALFORMED when there are not 32 bytes. */
export function seedOf(kind: KeyKind, secret: Uint8Array): string {
  if (secret.length !== 32) throw malformedSeed(`a key has 32 bytes, not ${secret.length}`);
  const prefix = prefixes[kind];
  return encodeChecked([seedPrefix | (prefix >> 5), (prefix & 31) << 3], secret);
}

/**
 * Whether `signature` is that of `publicKey` over `message`.
 * False for a signature of any other length and for curve keys, which cannot sign.
 * @throws LatticeError KEY_MALFORMED when the key is not one.
 */
export function verifySignature(publicKey: string, message: Uint8Array, signature: Uint8Array): boolean {
  return signatureVerifier(publicKey)(message, signature);
}

/**
 * `verifySignature` of one key, decoded once: for a key whose signatures come with every call.
 * @throws LatticeError KEY_MALFORMED when the key is not one.
 */
export function signatureVerifier(publicKey: string): (message: Uint8Array, signature: Uint8Array) => boolean {
  const { kind, bytes } = decodePublicKey(publicKey);
  if (kind === "curve") return () => false;
  const key = publicObject(kind, bytes);
  return (message, signature) => signature.length === 64 && verify(null, message, key, signature);
}

/**
 * A private key with its public half. The seed shows only through `seed`: never in JSON, logs or
 * the console.
 */
export class KeyPair {
  readonly kind: KeyKind;
  /** 56 characters. */
  readonly publicKey: string;
  readonly #private: KeyObject;
  readonly #raw: Uint8Array;

  private constructor(kind: KeyKind, raw: Uint8Array) {
    this.kind = kind;
    this.#raw = raw;
    this.#private = createPrivateKey({
      key: Buffer.concat([der[algorithmOf(kind)].pkcs8, raw]),
      format: "der",
      type: "pkcs8",
    });
    const spki = createPublicKey(this.#private).export({ format: "der", type: "spki" });
    this.publicKey = encodePublicKey(kind, spki.subarray(spki.length - 32));
  }

  static generate(kind: KeyKind): KeyPair {
    // Two calls, because the overloads of `generateKeyPairSync` take one literal each.
    const { privateKey } =
      algorithmOf(kind) === "x25519" ? generateKeyPairSync("x25519") : generateKeyPairSync("ed25519");
    const pkcs8 = privateKey.export({ format: "der", type: "pkcs8" });
    return new KeyPair(kind, Uint8Array.from(pkcs8.subarray(pkcs8.length - 32)));
  }

  /**
   * The pair of a seed (58 characters, `SA...`, `SM...`).
   * @throws LatticeError KEY_MALFORMED, never with the text; KEY_WRONG_KIND when `kind` is given and differs.
   */
  static fromSeed(seed: string, kind?: KeyKind): KeyPair {
    if (seed.length !== 58) throw malformedSeed(`a seed has 58 characters, not ${seed.length}`);
    const raw = base32Decode(seed);
    if (raw === undefined) throw malformedSeed("it is not base32");
    if (!checksumHolds(raw)) throw malformedSeed("its checksum does not match");
    const first = raw[0]!;
    const second = raw[1]!;
    if ((first & 0xf8) !== seedPrefix || (second & 0x07) !== 0) throw malformedSeed("it does not begin as a seed");
    const found = kindOfPrefix.get(((first & 7) << 5) | (second >> 3));
    if (found === undefined) throw malformedSeed("it is of no known kind");
    if (kind !== undefined && found !== kind) throw fail("KEY_WRONG_KIND", describeKind(kind), describeKind(found));
    return new KeyPair(found, Uint8Array.from(raw.subarray(2, 34)));
  }

  /** 58 characters. Secret. */
  get seed(): string {
    return seedOf(this.kind, this.#raw);
  }

  /**
   * The 64 bytes of an Ed25519 signature.
   * @throws LatticeError KEY_WRONG_KIND for a curve key.
   */
  sign(message: Uint8Array): Uint8Array {
    if (this.kind === "curve") throw fail("KEY_WRONG_KIND", "one that signs", describeKind("curve"));
    return sign(null, message, this.#private);
  }

  /**
   * What only the holders of this pair and of the pair of `other` can compute: 32 bytes of X25519, to
   * derive keys from.
   * @throws LatticeError KEY_WRONG_KIND unless both are curve keys, KEY_MALFORMED.
   */
  agree(other: string): Uint8Array {
    const { kind, bytes } = decodePublicKey(other);
    for (const each of [this.kind, kind])
      if (each !== "curve") throw fail("KEY_WRONG_KIND", describeKind("curve"), describeKind(each));
    return diffieHellman({ privateKey: this.#private, publicKey: publicObject(kind, bytes) });
  }

  toJSON(): string {
    return this.publicKey;
  }

  [inspect.custom](): string {
    return `KeyPair ${this.publicKey}`;
  }
}

function malformedSeed(why: string): Error {
  return fail("KEY_MALFORMED", "the given seed", why);
}

function tryDecodePublicKey(text: string): PublicKey | string {
  if (text.length !== 56) return `a public key has 56 characters, not ${text.length}`;
  const raw = base32Decode(text);
  if (raw === undefined) return "it is not base32";
  const kind = kindOfPrefix.get(raw[0]!);
  if (kind === undefined) return "its first letter names no kind of key";
  if (!checksumHolds(raw)) return "its checksum does not match";
  return { kind, bytes: raw.subarray(1, 33) };
}

/** Enough of a public key to find it again; nothing of what may be a seed. */
function abbreviate(text: string): string {
  return /^[ACMNOUVX][A-Z2-7]{8}/.test(text) ? `${text.slice(0, 9)}...` : "the given text";
}

/** Source: RFC 8410; the fixed beginnings of PKCS#8 and SubjectPublicKeyInfo before 32 raw bytes. */
const der = {
  ed25519: {
    pkcs8: Buffer.from("302e020100300506032b657004220420", "hex"),
    spki: Buffer.from("302a300506032b6570032100", "hex"),
  },
  x25519: {
    pkcs8: Buffer.from("302e020100300506032b656e04220420", "hex"),
    spki: Buffer.from("302a300506032b656e032100", "hex"),
  },
};

function algorithmOf(kind: KeyKind): keyof typeof der {
  return kind === "curve" ? "x25519" : "ed25519";
}

function publicObject(kind: KeyKind, bytes: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([der[algorithmOf(kind)].spki, bytes]), format: "der", type: "spki" });
}

function encodeChecked(prefix: readonly number[], body: Uint8Array): string {
  const raw = new Uint8Array(prefix.length + body.length + 2);
  raw.set(prefix);
  raw.set(body, prefix.length);
  const sum = crc16(raw.subarray(0, -2));
  raw[raw.length - 2] = sum & 0xff;
  raw[raw.length - 1] = sum >> 8;
  return base32Encode(raw);
}

function checksumHolds(raw: Uint8Array): boolean {
  return crc16(raw.subarray(0, -2)) === (raw[raw.length - 2]! | (raw[raw.length - 1]! << 8));
}

/** CRC-16 CCITT/XMODEM: polynomial 0x1021, initial value 0. */
function crc16(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : crc << 1;
  }
  return crc;
}
