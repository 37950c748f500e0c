/** What a registry asks for in `WWW-Authenticate`. */
export type Challenge =
  | { readonly scheme: "basic" }
  | {
      readonly scheme: "bearer";
      /** Where tokens are to be had. */
      readonly realm: string;
      readonly service: string | undefined;
      readonly scope: string | undefined;
    };

/**
 * The first challenge that we can answer, bearer before basic; undefined when there is none.
 * Source: RFC 9110 section 11.6.1, distribution's token authentication.
 */
export function parseChallenge(header: string | null): Challenge | undefined {
  if (header === null) return undefined;
  const bearer = /(?:^|,)\s*bearer\s+(.*)$/is.exec(header)?.[1];
  if (bearer !== undefined) {
    const { realm, service, scope } = parameters(bearer);
    if (realm !== undefined) return { scheme: "bearer", realm, service, scope };
  }
  return /(?:^|,)\s*basic(?:\s|$)/i.test(header) ? { scheme: "basic" } : undefined;
}

/** `a="x, y",b=z`; a quoted text may hold commas. The first of a name counts. */
function parameters(text: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [, name = "", quoted, bare] of text.matchAll(/([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/g)) {
    found[name.toLowerCase()] ??= quoted?.replaceAll(/\\(.)/g, "$1") ?? bare ?? "";
  }
  return found;
}
