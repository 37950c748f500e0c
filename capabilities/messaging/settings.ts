import { fail } from "../../lattice/index.ts";
import { type Subscription, groupProblem, problemOf } from "./subjects.ts";

const mostSubscriptions = 100;

type Values = Readonly<Record<string, string>>;

/** The JSON of a link: `config_b64` and `config_json`, the latter winning. */
export type MessagingConfig = Readonly<Record<string, unknown>>;

/** What the real provider reads there; who needs no server passes over the most of it. */
const configKeys: ReadonlySet<string> = new Set([
  "subscriptions",
  "cluster_uris",
  "auth_jwt",
  "auth_seed",
  "tls_ca",
  "tls_ca_file",
  "ping_interval_sec",
  "custom_inbox_prefix",
]);

/** Problems never repeat the text: it may hold a seed. Source: waPC and actors reference, section 15. */
export function readMessagingConfig(values: Values, problems: string[]): MessagingConfig {
  const { config_json: plain, config_b64: base64 } = values;
  const encoded = base64 === undefined ? undefined : Buffer.from(base64, "base64").toString();
  const config = { ...parse("config_b64", encoded, problems), ...parse("config_json", plain, problems) };
  for (const key of Object.keys(config))
    if (!configKeys.has(key)) problems.push(`${key} is not known inside config_json or config_b64`);
  return config;
}

function parse(name: string, text: string | undefined, problems: string[]): Record<string, unknown> {
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

/**
 * Reads what a link subscribes to: `SUBSCRIPTION`, a comma list of subjects, each perhaps with its
 * queue group as `subject|group`; `QUEUEGROUP_NAME` for those without; `subscriptions` of the JSON.
 * Source: waPC and actors reference, section 15.
 */
export function readSubscriptions(values: Values, config: MessagingConfig, problems: string[]): Subscription[] {
  const standard = values["QUEUEGROUP_NAME"]?.trim() || undefined;
  const inJson = listOfTexts("subscriptions", config["subscriptions"], problems);
  const texts = [...(values["SUBSCRIPTION"] ?? "").split(","), ...inJson];
  const subscriptions = new Map<string, Subscription>();
  for (const text of texts.map((each) => each.trim())) {
    if (text === "") continue;
    const [pattern = "", group = standard, ...more] = text.split("|");
    const why =
      more.length > 0 || group === ""
        ? "write subject or subject|group"
        : (problemOf(pattern) ?? (group === undefined ? undefined : groupProblem(group)));
    if (why !== undefined) problems.push(`SUBSCRIPTION "${text.slice(0, 80)}": ${why}`);
    subscriptions.set(`${pattern}|${group ?? ""}`, { pattern, group });
  }
  if (subscriptions.size > mostSubscriptions) problems.push(`more than ${mostSubscriptions} subscriptions`);
  return [...subscriptions.values()];
}

/** A list of the JSON; what is none goes to `problems`. */
export function listOfTexts(name: string, list: unknown, problems: string[]): readonly string[] {
  if (list === undefined || list === null) return [];
  if (Array.isArray(list) && list.every((each): each is string => typeof each === "string")) return list;
  problems.push(`${name} is no list of texts`);
  return [];
}

/** @throws LatticeError LINK_VALUES_INVALID naming every problem. */
export function refuseProblems(provider: string, problems: readonly string[]): void {
  if (problems.length > 0) throw fail("LINK_VALUES_INVALID", provider, problems.join("; "));
}
