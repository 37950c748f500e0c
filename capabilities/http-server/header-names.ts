import { constant } from "../codec/msgpack-writer.ts";

/** What a request header means to the listener itself. */
export type HeaderRole =
  | "plain"
  | "hop"
  | "connection"
  | "content-length"
  | "transfer-encoding"
  | "expect"
  | "traceparent"
  | "tracestate"
  | "request-id";

/** A header name met before: lower-case, encoded once, with its role. */
export interface HeaderName {
  readonly lower: string;
  /** The lower-case name as MessagePack text. */
  readonly encoded: Uint8Array;
  readonly role: HeaderRole;
  /** Of one connection, not of the message: never carried on, in either direction (RFC 9110, 7.6.1). */
  readonly hop: boolean;
  /** Number of the last request that carried it: finds repeated lines without a table per request. */
  seen: number;
}

const roles = new Map<string, HeaderRole>([
  ["connection", "connection"],
  ["keep-alive", "hop"],
  ["proxy-connection", "hop"],
  ["proxy-authenticate", "hop"],
  ["proxy-authorization", "hop"],
  ["te", "hop"],
  ["trailer", "hop"],
  ["upgrade", "hop"],
  ["transfer-encoding", "transfer-encoding"],
  ["content-length", "content-length"],
  ["expect", "expect"],
  ["traceparent", "traceparent"],
  ["tracestate", "tracestate"],
  ["x-request-id", "request-id"],
]);

const hops: ReadonlySet<HeaderRole> = new Set(["hop", "connection", "transfer-encoding", "expect"]);

/** Whether a header, by its lower-case name, belongs to the connection and not to the message. */
export function isHopByHop(lower: string): boolean {
  const role = roles.get(lower);
  return role !== undefined && hops.has(role);
}

/** Separates the lines of a repeated header where one text must hold them all (RFC 9110, 5.3; RFC 6265, 5.4). */
export function jointOf(lower: string): string {
  return lower === "cookie" ? "; " : ", ";
}

/** Spellings remembered. A client that invents names cannot grow the table; its requests only take the slower way. */
const mostNames = 1_000;

const known = new Map<string, HeaderName>();
const byLower = new Map<string, HeaderName>();

/** The name behind any spelling, or undefined when the table is full and the name is new. */
export function headerName(spelling: string): HeaderName | undefined {
  return known.get(spelling) ?? learn(spelling);
}

function learn(spelling: string): HeaderName | undefined {
  if (known.size >= mostNames) return undefined;
  const lower = spelling.toLowerCase();
  let name = byLower.get(lower);
  if (name === undefined) {
    name = {
      lower,
      encoded: constant((out) => out.text(lower)),
      role: roles.get(lower) ?? "plain",
      hop: isHopByHop(lower),
      seen: 0,
    };
    byLower.set(lower, name);
  }
  known.set(spelling, name);
  return name;
}

const usual = [
  ...roles.keys(),
  ..."host user-agent accept accept-encoding accept-language cache-control content-type content-encoding cookie origin".split(
    " ",
  ),
  ..."authorization referer pragma range if-match if-none-match if-modified-since dnt priority forwarded via".split(
    " ",
  ),
  ..."x-forwarded-for x-forwarded-host x-forwarded-proto x-real-ip x-requested-with upgrade-insecure-requests".split(
    " ",
  ),
  ..."sec-fetch-dest sec-fetch-mode sec-fetch-site sec-fetch-user sec-ch-ua sec-ch-ua-mobile sec-ch-ua-platform".split(
    " ",
  ),
];
for (const name of usual) {
  learn(name);
  learn(name.replaceAll(/\b[a-z]/g, (letter) => letter.toUpperCase()));
}
