import { withoutSecrets } from "./harmless.ts";
import { refersToSecrets } from "./secrets.ts";
import { type LinkRecord, publicClaims } from "./wanted.ts";

/** Values that say nothing but how a link is to work, by the names that our providers know. */
const plain: ReadonlySet<string> = new Set([
  "address",
  "port",
  "PORT",
  "deadline",
  "timeout_ms",
  "max_content_len",
  "readonly_mode",
  "cache_control",
  "SUBSCRIPTION",
  "QUEUEGROUP_NAME",
  "bucket",
  "prefix",
]);

const soundsSecret = /passw|secret|token|credential|private|seed|api_?key/i;

/** A value of a named configuration as everybody may see it: a reference to a secret is shown, a secret itself is not. */
export function shownSetting(name: string, value: string): string {
  if (refersToSecrets({ value })) return value;
  return soundsSecret.test(name) ? "[redacted]" : withoutSecrets(value);
}

/** A link as everybody may see it. Its values may be secrets, so of most only the name is shown. */
export function linkJson({ spec, urls, problem }: LinkRecord) {
  const { id, actor, provider, contractId, linkName: link_name, values, config } = spec;
  return {
    id,
    actor_id: actor,
    provider_id: provider,
    link_name,
    contract_id: contractId,
    values: Object.fromEntries(
      Object.entries(values).map(([name, value]) => [name, plain.has(name) ? withoutSecrets(value) : "[redacted]"]),
    ),
    ...(config ? { config } : {}),
    urls,
    ...(problem === undefined ? {} : { problem }),
  };
}

/** Of a time in seconds since 1970. */
export function expiryText(seconds: number | undefined): string {
  return seconds === undefined ? "never" : new Date(seconds * 1_000).toISOString();
}

/** What a signature says, under the names that tokens use. */
export function claimsJson(claims: ReturnType<typeof publicClaims>) {
  const { key, issuer, name, capabilities, tags, revision, version: own, callAlias, expiresAt } = claims;
  return {
    sub: key,
    iss: issuer,
    name,
    caps: capabilities.join(","),
    rev: String(revision ?? 0),
    version: own ?? "",
    tags: tags.join(","),
    call_alias: callAlias ?? "",
    expires: expiryText(expiresAt),
  };
}
