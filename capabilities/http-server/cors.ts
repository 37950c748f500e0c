import type { IncomingMessage } from "node:http";

/**
 * Which other sites may use this one from a browser. The keys are those of `cors` in the
 * configuration of the hosts before. Source: waPC and actors reference, section 15; the Fetch standard.
 */
export interface Cors {
  /** Origins such as `https://app.example`; `*` or none means all. */
  readonly origins: ReadonlySet<string>;
  readonly methods: readonly string[];
  readonly headers: readonly string[];
  readonly exposed: readonly string[];
  readonly maxAgeSeconds: number;
}

const standard = {
  allowed_methods: ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"],
  allowed_headers: ["accept", "accept-language", "content-type", "content-language"],
};

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const origin = /^(\*|https?:\/\/[A-Za-z0-9.[\]:-]+)$/;

/** Reads the `cors` object of a configuration, adding to `problems` what is wrong with it. */
export function readCors(value: unknown, problems: string[]): Cors | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "object" || Array.isArray(value)) {
    problems.push("cors is no object");
    return undefined;
  }
  const given = value as Record<string, unknown>;
  const list = (key: string, otherwise: readonly string[], form: RegExp): readonly string[] => {
    const found = given[key] ?? otherwise;
    if (Array.isArray(found) && found.every((each) => typeof each === "string" && form.test(each))) return found;
    problems.push(`cors.${key} is no list of ${form === origin ? "origins" : "names"}`);
    return otherwise;
  };
  const age = given["max_age_secs"] ?? 300;
  if (!Number.isInteger(age) || Number(age) < 0) problems.push("cors.max_age_secs is no number of seconds");
  const known = ["allowed_origins", "allowed_methods", "allowed_headers", "exposed_headers", "max_age_secs"];
  for (const key of Object.keys(given)) if (!known.includes(key)) problems.push(`cors.${key} is not known`);
  return {
    origins: new Set(list("allowed_origins", [], origin)),
    methods: list("allowed_methods", standard.allowed_methods, token),
    headers: list("allowed_headers", standard.allowed_headers, token),
    exposed: list("exposed_headers", [], token),
    maxAgeSeconds: Number(age),
  };
}

/**
 * The header lines that let the asking site read the answer; none for a site that may not. Where some sites may, a
 * cache must not give one's answer to another: it is told so also when no site asks.
 */
export function corsHeader(cors: Cors, request: IncomingMessage): string[] {
  const asking = request.headers.origin;
  const any = cors.origins.size === 0 || cors.origins.has("*");
  if (asking === undefined || (!any && !cors.origins.has(asking))) return any ? [] : ["vary", "origin"];
  const header = ["access-control-allow-origin", any ? "*" : asking];
  if (!any) header.push("vary", "origin");
  if (cors.exposed.length > 0) header.push("access-control-expose-headers", cors.exposed.join(", "));
  return header;
}

/** Whether a browser asks beforehand what it may do: such a request never reaches the actor. */
export function isPreflight({ method, headers }: IncomingMessage): boolean {
  return method === "OPTIONS" && headers.origin !== undefined && headers["access-control-request-method"] !== undefined;
}

/** The answer to a preflight. */
export function preflightHeader(cors: Cors, request: IncomingMessage): string[] {
  const header = corsHeader(cors, request);
  if (header[0] !== "access-control-allow-origin") return header;
  header.push("access-control-allow-methods", cors.methods.join(", "));
  header.push("access-control-allow-headers", cors.headers.join(", "));
  header.push("access-control-max-age", String(cors.maxAgeSeconds));
  return header;
}
