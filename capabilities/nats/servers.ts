import { readFileSync } from "node:fs";
import { KeyPair, type NatsOptions, describe } from "../../lattice/index.ts";

/** NATS servers and who we are there, as a link means them. */
export interface NatsServers {
  /** Equal texts mean one connection. Holds secrets: it is shown to nobody. */
  readonly id: string;
  /** `NATS at host:port`, for messages. */
  readonly title: string;
  readonly options: NatsOptions & { readonly servers: readonly string[] };
}

/** Of the provider, for links that name no server of their own. */
export interface NatsDefaults {
  readonly url: string;
  /** A credentials file of `nsc`; it is never shown to servers that a link names. */
  readonly credsFile: string | undefined;
}

type Values = Readonly<Record<string, string>>;

const ours: ReadonlySet<string> = new Set([
  "uri",
  "url",
  "client_jwt",
  "client_seed",
  "credsfile",
  "tls_ca",
  "tls_ca_file",
]);

/**
 * Reads `URI` or `URL` (`nats://[user:password@]host[:port]`, `tls://`, several with commas),
 * `CLIENT_JWT`, `CLIENT_SEED`, `CREDSFILE`, `TLS_CA` (PEM) and `TLS_CA_FILE` in large or small letters,
 * and `cluster_uris`, `auth_jwt`, `auth_seed`, `tls_ca`, `tls_ca_file`, `ping_interval_sec` and
 * `custom_inbox_prefix` of a JSON object. Problems never repeat a value: it may be a secret.
 * Source: waPC and actors reference, section 15.
 */
export function readNatsServers(
  values: Values,
  config: Readonly<Record<string, unknown>>,
  defaults: NatsDefaults,
  problems: string[],
): NatsServers {
  const texts = readTexts(values, config, problems);
  const named = serversOf(texts, config["cluster_uris"], problems);
  const servers = named ?? defaults.url.split(",").map((each) => each.trim());
  problems.push(...serverProblems(servers));
  const login = readLogin(texts, named ? undefined : defaults.credsFile, problems);
  const tls = readTls(texts);
  const ping = config["ping_interval_sec"] ?? undefined;
  const seconds = ping === undefined ? undefined : Number(ping);
  if (seconds !== undefined && !(Number.isInteger(seconds) && seconds >= 1 && seconds <= 600))
    problems.push("ping_interval_sec is no whole number from 1 to 600");
  const inbox = texts.get("custom_inbox_prefix");
  if (inbox !== undefined && !/^[-\w]+(\.[-\w]+)*$/.test(inbox)) problems.push("custom_inbox_prefix is no subject");
  const options = {
    servers,
    ...login,
    ...(tls && { tls }),
    ...(seconds !== undefined && { pingIntervalMs: seconds * 1_000 }),
    ...(inbox !== undefined && { inboxPrefix: inbox }),
  };
  return { id: JSON.stringify(options), title: `NATS at ${serversText(servers)}`, options };
}

/** Why a text names no servers; empty when it does. */
export function serverProblems(servers: readonly string[], name = "URI"): string[] {
  return servers.every(usable) ? [] : [`${name} is no list of nats:// or tls:// URLs`];
}

/** `host:port, host:port`, without what stands before `@`. */
export function serversText(servers: readonly string[]): string {
  return servers.map(shown).join(", ");
}

/** Link values over the JSON, by their small names; of names given twice the texts must agree. */
function readTexts(values: Values, config: Readonly<Record<string, unknown>>, problems: string[]): Map<string, string> {
  const texts = new Map<string, string>();
  for (const [name, value] of Object.entries(values)) {
    const small = name.toLowerCase();
    if (!ours.has(small) || value.trim() === "") continue;
    const same = small === "url" ? "uri" : small;
    if ((texts.get(same) ?? value) !== value) problems.push(`${name} is given twice and differs`);
    texts.set(same, value.trim());
  }
  const inJson = [
    ["auth_jwt", "client_jwt"],
    ["auth_seed", "client_seed"],
    ["tls_ca", "tls_ca"],
    ["tls_ca_file", "tls_ca_file"],
    ["custom_inbox_prefix", "custom_inbox_prefix"],
  ] as const;
  for (const [key, name] of inJson) {
    const value = config[key] ?? undefined;
    if (value === undefined || value === "") continue;
    if (typeof value !== "string") problems.push(`${key} must be text`);
    else if (!texts.has(name)) texts.set(name, value);
  }
  return texts;
}

function serversOf(texts: ReadonlyMap<string, string>, list: unknown, problems: string[]): string[] | undefined {
  const uri = texts.get("uri");
  if (uri !== undefined) return uri.split(",").map((each) => each.trim());
  if (list === undefined || list === null || (Array.isArray(list) && list.length === 0)) return undefined;
  if (Array.isArray(list) && list.every((each): each is string => typeof each === "string")) return list;
  problems.push("cluster_uris is no list of texts");
  return undefined;
}

function readLogin(
  texts: ReadonlyMap<string, string>,
  standard: string | undefined,
  problems: string[],
): Pick<NatsOptions, "jwt" | "seed" | "credsFile"> {
  const [jwt, seed, file] = [texts.get("client_jwt"), texts.get("client_seed"), texts.get("credsfile")];
  if (jwt !== undefined && seed === undefined) problems.push("CLIENT_JWT needs the CLIENT_SEED of its key");
  if (seed !== undefined && !isUserSeed(seed)) problems.push("CLIENT_SEED is no seed of a user key (SU...)");
  if (file !== undefined && seed !== undefined) problems.push("give CREDSFILE or CLIENT_SEED, not both");
  const credsFile = file ?? (seed === undefined ? standard : undefined);
  const unreadable = credsFile === undefined ? undefined : readProblem(credsFile);
  if (unreadable !== undefined) problems.push(`CREDSFILE cannot be read: ${unreadable}`);
  return { ...(jwt !== undefined && { jwt }), ...(seed !== undefined && { seed }), ...(credsFile && { credsFile }) };
}

function readTls(texts: ReadonlyMap<string, string>): NatsOptions["tls"] {
  const [caText, ca] = [texts.get("tls_ca"), texts.get("tls_ca_file")];
  if (caText !== undefined) return { caText };
  return ca === undefined ? undefined : { ca };
}

function isUserSeed(text: string): boolean {
  try {
    KeyPair.fromSeed(text, "user");
    return true;
  } catch {
    return false;
  }
}

function readProblem(file: string): string | undefined {
  try {
    readFileSync(file);
    return undefined;
  } catch (error) {
    return describe(error);
  }
}

function urlOf(server: string): URL | undefined {
  const whole = server.includes("://") ? server : `nats://${server}`;
  return URL.canParse(whole) ? new URL(whole) : undefined;
}

function usable(server: string): boolean {
  const url = urlOf(server.trim());
  if (url === undefined || !/^(nats|tls):$/.test(url.protocol) || url.hostname === "") return false;
  try {
    decodeURIComponent(url.username + url.password);
    return true;
  } catch {
    return false;
  }
}

function shown(server: string): string {
  const url = urlOf(server);
  return url === undefined ? "?" : `${url.hostname}:${url.port || "4222"}`;
}
