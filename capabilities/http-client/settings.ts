import { fail } from "../../lattice/index.ts";

/** What the values of a link mean to the HTTP client. */
export interface ClientSettings {
  /** Whether the actor may ask this host at this port. */
  readonly allows: (host: string, port: number) => boolean;
  /** Hosts whose addresses are not of the public internet may be asked too. */
  readonly allowPrivate: boolean;
  /** Longest wait for the whole answer in milliseconds; a call's own deadline may be shorter. */
  readonly timeoutMs: number;
  /** Largest answer in bytes. */
  readonly replyBytes: number;
  /** Redirects followed; the next one is an error. 0 hands the redirect to the actor. */
  readonly redirects: number;
}

export const clientDefaults = { timeoutMs: 10_000, replyBytes: 16 * 1024 * 1024, redirects: 5 };

const known = new Set(["allow", "allow_private", "timeout_ms", "max_reply_bytes", "max_redirects"]);
const mostHosts = 256;
/** A host name, `*.` and a name, an address in brackets or without; perhaps a port. */
const entry = /^(?<host>(?:\*\.)?[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?|\[[0-9a-f:.]+\])(?::(?<port>\d{1,5}))?$/;

/**
 * Reads link values: `allow`, a comma list of `host`, `*.domain`, `host:port` (default: every public
 * host); `allow_private`, `timeout_ms`, `max_reply_bytes`, `max_redirects`. Others are the actor's own.
 * @throws LatticeError LINK_VALUES_INVALID naming every problem.
 */
export function readClientSettings(values: Readonly<Record<string, string>>): ClientSettings {
  const problems: string[] = [];
  for (const name of Object.keys(values)) {
    const meant = [...known].find((each) => each !== name && each === name.toLowerCase().replaceAll("-", "_"));
    if (meant !== undefined) problems.push(`${name}: write ${meant}`);
  }
  const settings = {
    allows: readAllowed(values["allow"], problems),
    allowPrivate: readFlag("allow_private", values["allow_private"], problems),
    timeoutMs: readNumber("timeout_ms", values["timeout_ms"], clientDefaults.timeoutMs, 1, 3_600_000, problems),
    replyBytes: readNumber(
      "max_reply_bytes",
      values["max_reply_bytes"],
      clientDefaults.replyBytes,
      1,
      512 * 1024 * 1024,
      problems,
    ),
    redirects: readNumber("max_redirects", values["max_redirects"], clientDefaults.redirects, 0, 20, problems),
  };
  if (problems.length > 0) throw fail("LINK_VALUES_INVALID", "the HTTP client", problems.join("; "));
  return settings;
}

function readAllowed(text: string | undefined, problems: string[]): ClientSettings["allows"] {
  if (text === undefined) return () => true;
  const hosts = text
    .split(",")
    .map((each) => each.trim().toLowerCase())
    .filter((each) => each !== "");
  if (hosts.length > mostHosts) problems.push(`allow has ${hosts.length} hosts, more than ${mostHosts}`);
  const tests = hosts.flatMap((each) => {
    const { host, port } = entry.exec(each)?.groups ?? {};
    if (host === undefined || Number(port ?? 0) > 65_535) {
      problems.push(`allow "${each}" is not host, *.domain or host:port`);
      return [];
    }
    const domain = host.startsWith("*.") ? host.slice(1) : undefined;
    return [
      (asked: string, at: number) =>
        (port === undefined || Number(port) === at) && (domain ? asked.endsWith(domain) : asked === host),
    ];
  });
  return (host, port) => tests.some((allows) => allows(host, port));
}

function readFlag(name: string, text: string | undefined, problems: string[]): boolean {
  if (text === undefined || text === "false" || text === "0") return false;
  if (text !== "true" && text !== "1") problems.push(`${name} "${text}" is neither true nor false`);
  return true;
}

function readNumber(
  name: string,
  text: string | undefined,
  standard: number,
  least: number,
  most: number,
  problems: string[],
): number {
  if (text === undefined) return standard;
  const value = /^\d{1,12}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  problems.push(`${name} "${text}" is not a whole number from ${least} to ${most}`);
  return standard;
}
