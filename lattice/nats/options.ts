import { readFileSync } from "node:fs";
import { describe, fail, failFrom } from "../errors.ts";
import { KeyPair } from "../nkeys.ts";
import { checkSubject } from "../subject-patterns.ts";

/**
 * How one connection reaches the servers of a lattice and who it is there. Plain data: it is posted
 * to engine threads. Holds secrets, so it is never printed; `ConnectionReport` is what may be.
 */
export interface NatsOptions {
  /** `nats://host:port`, `tls://host:port` or `host:port`; user and password or a token may stand before `@`. */
  readonly servers: string | readonly string[];
  /** What the server's operator sees. */
  readonly name?: string;

  /** A file of `nsc`, with user JWT and seed; read again at each connect. */
  readonly credsFile?: string;
  /** User JWT; `seed` signs for it. */
  readonly jwt?: string;
  /** Seed of the user key (`SU...`): with `jwt`, or alone where the server knows the public key. */
  readonly seed?: string;
  readonly user?: string;
  readonly password?: string;
  readonly token?: string;

  /** True: encrypted, with the authorities that this machine trusts. Then a server without TLS is refused. */
  readonly tls?: boolean | NatsTlsFiles;

  /** JetStream domain, for a leaf node whose shared state is in the hub. */
  readonly domain?: string;
  /** Copies that a new bucket or object store keeps in a cluster. Default 1, at most 5. */
  readonly replicas?: number;
  /** Begins the subjects of replies. Default `_INBOX`. */
  readonly inboxPrefix?: string;

  /** Longest time for one attempt to connect, greeting included. Default 5 000 ms. */
  readonly connectTimeoutMs?: number;
  /** How often a silent server is asked whether it lives; two questions unanswered end the connection. Default 5 000 ms. */
  readonly pingIntervalMs?: number;
  /** Longest wait between two rounds of attempts. Default 2 000 ms. */
  readonly reconnectMaxMs?: number;
  /** What may wait to be sent, in bytes, while the server is away or slow. Default 32 MiB. */
  readonly bufferBytes?: number;
  /** Longest time for one operation of shared state. Default 5 000 ms. */
  readonly stateTimeoutMs?: number;
}

/** Files in PEM. */
export interface NatsTlsFiles {
  readonly ca?: string;
  /** The authorities themselves as PEM, in place of a file. */
  readonly caText?: string;
  /** With `key`: who we are to a server that asks for it. */
  readonly cert?: string;
  readonly key?: string;
}

export interface NatsAddress {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
}

/** What `NatsOptions` become once; the addresses hold no secret. */
export interface NatsConfig {
  readonly addresses: readonly NatsAddress[];
  readonly name: string | undefined;
  readonly tls: boolean | NatsTlsFiles;
  readonly domain: string | undefined;
  readonly replicas: number;
  readonly inboxPrefix: string;
  readonly connectTimeoutMs: number;
  readonly pingIntervalMs: number;
  readonly reconnectMaxMs: number;
  readonly bufferBytes: number;
  readonly stateTimeoutMs: number;
  /** The fields of CONNECT that tell who we are. @throws LatticeError NATS_CREDENTIALS. */
  readonly credentials: (nonce: string | undefined) => Readonly<Record<string, string>>;
}

const defaultPort = 4222;

/** @throws LatticeError OPTION_OUT_OF_RANGE, NATS_ADDRESS, NATS_CREDENTIALS, SUBJECT_INVALID. */
export function compileNatsOptions(options: NatsOptions): NatsConfig {
  const servers = typeof options.servers === "string" ? options.servers.split(",") : options.servers;
  const parsed = servers.map((server) => parseAddress(server.trim()));
  if (parsed.length === 0) throw fail("NATS_ADDRESS", "(none)", "at least one server is needed");
  const inboxPrefix = options.inboxPrefix ?? "_INBOX";
  checkSubject(inboxPrefix);
  if (options.domain !== undefined) checkSubject(options.domain);
  const inUrl = parsed.find(({ login }) => login !== undefined)?.login;
  return Object.freeze({
    addresses: parsed.map(({ address }) => address),
    name: options.name,
    tls: options.tls ?? parsed.some(({ address }) => address.tls),
    domain: options.domain,
    replicas: inRange("replicas", options.replicas ?? 1, 1, 5),
    inboxPrefix,
    connectTimeoutMs: inRange("connectTimeoutMs", options.connectTimeoutMs ?? 5_000, 1, 600_000),
    pingIntervalMs: inRange("pingIntervalMs", options.pingIntervalMs ?? 5_000, 10, 600_000),
    reconnectMaxMs: inRange("reconnectMaxMs", options.reconnectMaxMs ?? 2_000, 1, 600_000),
    bufferBytes: inRange("bufferBytes", options.bufferBytes ?? 32 * 1024 * 1024, 0, 2 ** 31),
    stateTimeoutMs: inRange("stateTimeoutMs", options.stateTimeoutMs ?? 5_000, 1, 600_000),
    credentials: credentialsOf({ ...inUrl, ...options }),
  });
}

export function addressText({ host, port }: NatsAddress): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

interface Login {
  readonly user?: string;
  readonly password?: string;
  readonly token?: string;
}

/** @throws LatticeError NATS_ADDRESS, without what stands before `@`. */
export function parseAddress(text: string): { address: NatsAddress; login: Login | undefined } {
  const shown = text.replace(/\/\/[^/]*@/, "//").replace(/^[^/]*@/, "");
  const withScheme = /^[a-z]+:\/\//i.test(text) ? text : `nats://${text}`;
  let url: URL;
  try {
    url = new URL(withScheme);
  } catch {
    throw fail("NATS_ADDRESS", shown, "it reads as nats://host:port");
  }
  if (!["nats:", "tls:"].includes(url.protocol) || url.hostname === "")
    throw fail("NATS_ADDRESS", shown, "it reads as nats://host:port or tls://host:port");
  const user = decodeURIComponent(url.username);
  const login = user === "" ? undefined : url.password === "" ? { token: user } : { user, password: secretOf(url) };
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  return {
    address: { host, port: url.port === "" ? defaultPort : Number(url.port), tls: url.protocol === "tls:" },
    login,
  };
}

function secretOf(url: URL): string {
  return decodeURIComponent(url.password);
}

function inRange(name: string, value: number, least: number, most: number): number {
  if (!(Number.isInteger(value) && value >= least && value <= most))
    throw fail("OPTION_OUT_OF_RANGE", name, value, `a whole number from ${least} to ${most}`);
  return value;
}

/**
 * Source: NATS client protocol, CONNECT: `jwt` and `sig`, `nkey` and `sig`, `user` and `pass`, `auth_token`;
 * `sig` is base64url of the signature of the nonce of INFO.
 */
function credentialsOf(options: NatsOptions): NatsConfig["credentials"] {
  const { credsFile, jwt, seed, user, password, token } = options;
  if (jwt !== undefined && seed === undefined)
    throw fail("NATS_CREDENTIALS", "of the options", "a user JWT needs the seed of its key");
  if (credsFile !== undefined) {
    return (nonce) => {
      const { jwt: token, seed: secret } = readCredentials(credsFile);
      return { jwt: token, ...signed(userPair(secret, `in ${credsFile}`), nonce) };
    };
  }
  if (seed !== undefined) {
    const pair = userPair(seed, "of the options");
    return (nonce) => ({ ...(jwt === undefined ? { nkey: pair.publicKey } : { jwt }), ...signed(pair, nonce) });
  }
  const fields = {
    ...(user === undefined ? {} : { user, pass: password ?? "" }),
    ...(token === undefined ? {} : { auth_token: token }),
  };
  return () => fields;
}

function signed(pair: KeyPair, nonce: string | undefined): { readonly sig?: string } {
  if (nonce === undefined) return {};
  return { sig: Buffer.from(pair.sign(Buffer.from(nonce))).toString("base64url") };
}

/**
 * User JWT and seed (secret) of a file as `nsc generate creds` writes it.
 * @throws LatticeError NATS_CREDENTIALS naming the file.
 */
export function readCredentials(file: string): { readonly jwt: string; readonly seed: string } {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw failFrom(cause, "NATS_CREDENTIALS", `in ${file}`, describe(cause));
  }
  const [jwt, seed] = Array.from(text.matchAll(/-{3,}BEGIN[^\n]*\s+(\S+)\s+-{3,}END/g), ([, body]) => body);
  if (jwt === undefined || seed === undefined)
    throw fail("NATS_CREDENTIALS", `in ${file}`, "it holds no user JWT with its seed");
  userPair(seed, `in ${file}`);
  return { jwt, seed };
}

function userPair(seed: string, where: string): KeyPair {
  try {
    return KeyPair.fromSeed(seed, "user");
  } catch (cause) {
    throw failFrom(cause, "NATS_CREDENTIALS", where, describe(cause));
  }
}
