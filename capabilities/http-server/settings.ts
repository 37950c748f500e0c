import { fail } from "../../lattice/index.ts";
import { formatAddress, parseAddress } from "../addresses.ts";
import type { ListenerRoute } from "../provider.ts";
import { type Cors, readCors } from "./cors.ts";

/** What the values of a link mean to the HTTP server. */
export interface SiteSettings {
  /** `host:port`, port 0 = any free one. */
  readonly address: string;
  /** Another engine of this host opened exactly this address already. */
  readonly joins: boolean;
  /** The same of the further addresses. */
  readonly joinsAlso: boolean;
  /** Largest request body in bytes. */
  readonly bodyBytes: number;
  /** Longest wait for the actor in milliseconds; undefined leaves it to the host. */
  readonly timeoutMs: number | undefined;
  /** Only GET and HEAD pass, other methods are answered with 405. */
  readonly readOnly: boolean;
  /** Added to answers to GET and HEAD that have none of their own. */
  readonly cacheControl: string | undefined;
  readonly cors: Cors | undefined;
  /** Which requests of a shared address are meant. */
  readonly route: ListenerRoute | undefined;
  /** Files of the certificate and its key, as PEM. */
  readonly tls: TlsFiles | undefined;
}

export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
}

export interface SiteDefaults {
  readonly address: string;
  readonly also: readonly string[];
  readonly bodyBytes: number;
}

/** Mark values that a link took effect with: the addresses there are open in this host. */
const openedKey = "__opened";
const alsoOpenedKey = "__also_opened";

const largestBody = 500 * 1024 * 1024;
const units: Readonly<Record<string, number>> = { "": 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/**
 * Reads link values under the names that users of earlier hosts know: `address`, `port` or `PORT`,
 * `config_json`, `config_b64`, `max_content_len`, `timeout_ms`, `cache_control`, `readonly_mode`; ours
 * are `host` and `path`, with which several actors share an address, and `tls_cert_file` and
 * `tls_priv_key_file`, which the JSON has as `tls`.
 * Other values are the actor's own configuration and left alone; inside the JSON they are errors.
 * Source: waPC and actors reference, section 15.
 * @throws LatticeError LINK_VALUES_INVALID naming every problem.
 */
export function readSettings(values: Readonly<Record<string, string>>, defaults: SiteDefaults): SiteSettings {
  const problems: string[] = [];
  const json = readJson(values, problems);
  const all = { ...json.texts, ...values };
  const settings = {
    address: readAddress(all, defaults.address, problems),
    bodyBytes: readSize(all["max_content_len"], defaults.bodyBytes, problems),
    timeoutMs: readTimeout(all["timeout_ms"], problems),
    readOnly: readFlag(all["readonly_mode"], problems),
    cacheControl: readHeaderValue(all["cache_control"], problems),
    cors: readCors(json.cors, problems),
    route: readRoute(all, problems),
    tls: readTls({ ...json.tls, ...values }, problems),
  };
  if (values["config_file"] !== undefined) problems.push("config_file is not read here; give config_json");
  if (problems.length > 0) throw fail("LINK_VALUES_INVALID", "the HTTP server", problems.join("; "));
  return {
    ...settings,
    joins: values[openedKey] === settings.address,
    joinsAlso: values[alsoOpenedKey] === defaults.also.join(),
  };
}

/** The values a link took effect with, for the other engines of the host. */
export function openedValues(
  values: Readonly<Record<string, string>>,
  address: string,
  also: readonly string[],
): Record<string, string> {
  const { port: _port, PORT: _PORT, ...others } = values;
  return { ...others, address, [openedKey]: address, [alsoOpenedKey]: also.join() };
}

function readAddress(values: Readonly<Record<string, string>>, standard: string, problems: string[]): string {
  const { address } = values;
  const portText = values["port"] ?? values["PORT"];
  const port = portText === undefined || !/^\d{1,5}$/.test(portText) ? undefined : Number(portText);
  if (portText !== undefined && (port === undefined || port > 65_535)) problems.push(`port "${portText}" is no port`);
  if (address === undefined) {
    if (port === undefined) return standard;
    return formatAddress({ host: "127.0.0.1", port });
  }
  const parsed = parseAddress(address, port);
  if (!parsed) {
    problems.push(`address "${address}" is not host:port`);
    return standard;
  }
  if (port !== undefined && port !== parsed.port) problems.push(`address ${address} and port ${port} disagree`);
  return formatAddress(parsed);
}

function readRoute(values: Readonly<Record<string, string>>, problems: string[]): ListenerRoute | undefined {
  const { host, path } = values;
  if (host === undefined && path === undefined) return undefined;
  if (host !== undefined && !/^(\*\.)?[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/i.test(host))
    problems.push(`host "${host}" is not a name or *.domain`);
  if (path !== undefined && !/^\/[\x21-\x7e]{0,1023}$/.test(path))
    problems.push(`path "${path}" does not begin with a slash, or holds blanks`);
  return { ...(host === undefined ? {} : { host: host.toLowerCase() }), ...(path === undefined ? {} : { path }) };
}

function readTls(values: Readonly<Record<string, string>>, problems: string[]): TlsFiles | undefined {
  const { tls_cert_file: cert, tls_priv_key_file: key } = values;
  if (cert !== undefined && key !== undefined) return { cert, key };
  if (cert !== undefined || key !== undefined) problems.push("tls needs both a certificate and its key");
  return undefined;
}

function readSize(text: string | undefined, standard: number, problems: string[]): number {
  if (text === undefined) return standard;
  const match = /^(\d{1,12})([kmg]?)$/i.exec(text.trim());
  const size = match ? Number(match[1]) * units[match[2]!.toLowerCase()]! : Number.NaN;
  if (size >= 0 && size <= largestBody) return size;
  problems.push(`max_content_len "${text}" is not a size up to 500m (a number, or one with k, m or g)`);
  return standard;
}

function readTimeout(text: string | undefined, problems: string[]): number | undefined {
  if (text === undefined) return undefined;
  const ms = /^\d{1,8}$/.test(text) ? Number(text) : 0;
  if (ms >= 1) return ms;
  problems.push(`timeout_ms "${text}" is not a number of milliseconds`);
  return undefined;
}

function readFlag(text: string | undefined, problems: string[]): boolean {
  if (text === undefined || text === "false" || text === "0" || text === "") return false;
  if (text !== "true" && text !== "1") problems.push(`readonly_mode "${text}" is neither true nor false`);
  return true;
}

function readHeaderValue(text: string | undefined, problems: string[]): string | undefined {
  if (text !== undefined && !/^[\x20-\x7e]{1,256}$/.test(text)) problems.push("cache_control is no header value");
  return text;
}

const jsonKeys = new Set(["address", "max_content_len", "timeout_ms", "cache_control", "readonly_mode"]);

interface JsonSettings {
  readonly texts: Readonly<Record<string, string>>;
  readonly tls: Readonly<Record<string, string>>;
  readonly cors: unknown;
}

/** The settings in `config_b64` and `config_json`, numbers as text, the latter winning. */
function readJson(values: Readonly<Record<string, string>>, problems: string[]): JsonSettings {
  const { config_json: plain, config_b64: base64 } = values;
  const encoded = base64 === undefined ? undefined : Buffer.from(base64, "base64").toString();
  const first = parseJson("config_b64", encoded, problems);
  const second = parseJson("config_json", plain, problems);
  return {
    texts: { ...first.texts, ...second.texts },
    tls: { ...first.tls, ...second.tls },
    cors: second.cors ?? first.cors,
  };
}

function parseJson(name: string, text: string | undefined, problems: string[]): JsonSettings {
  const { cors, tls, log: _level, ...others } = parseObject(name, text, problems);
  const texts: Record<string, string> = {};
  for (const [key, value] of Object.entries(others)) {
    if (value === null) continue;
    if (!jsonKeys.has(key)) problems.push(`${name}.${key} is not known`);
    else if (typeof value === "object") problems.push(`${name}.${key} must be text or a number`);
    else texts[key] = typeof value === "string" ? value : JSON.stringify(value);
  }
  return { texts, tls: readTlsFiles(name, tls, problems), cors };
}

function parseObject(name: string, text: string | undefined, problems: string[]): Record<string, unknown> {
  if (text === undefined) return {};
  try {
    const config: unknown = JSON.parse(text);
    if (typeof config === "object" && config !== null && !Array.isArray(config))
      return config as Record<string, unknown>;
  } catch {
    // Said below, as for JSON that is no object.
  }
  problems.push(`${name} is no JSON object`);
  return {};
}

/** TLS that names no files is TLS turned off. */
function readTlsFiles(name: string, tls: unknown, problems: string[]): Record<string, string> {
  if (tls === undefined || tls === null) return {};
  const files: Record<string, string> = {};
  for (const [key, file] of Object.entries(tls)) {
    if (file === null) continue;
    if (key !== "cert_file" && key !== "priv_key_file") problems.push(`${name}.tls.${key} is not known`);
    else if (typeof file !== "string") problems.push(`${name}.tls.${key} must be text`);
    else files[`tls_${key}`] = file;
  }
  return files;
}
