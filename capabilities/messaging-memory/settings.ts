import { fail } from "../../lattice/index.ts";
import { type Subscription, problemOf } from "./subjects.ts";

const mostSubscriptions = 100;

/**
 * Reads what a link subscribes to: `SUBSCRIPTION`, a comma list of subjects, each perhaps with its
 * queue group as `subject|group`; `QUEUEGROUP_NAME` for those without; `subscriptions` inside
 * `config_json`. Source: waPC and actors reference, section 15.
 * @throws LatticeError LINK_VALUES_INVALID naming every problem.
 */
export function readSubscriptions(values: Readonly<Record<string, string>>): Subscription[] {
  const problems: string[] = [];
  const standard = values["QUEUEGROUP_NAME"]?.trim() || undefined;
  const texts = [...(values["SUBSCRIPTION"] ?? "").split(","), ...fromJson(values["config_json"], problems)];
  const subscriptions = texts
    .map((text) => text.trim())
    .filter((text) => text !== "")
    .map((text): Subscription => {
      const [pattern = "", group = standard, ...more] = text.split("|");
      const why = more.length > 0 || group === "" ? "write subject or subject|group" : problemOf(pattern);
      if (why !== undefined) problems.push(`SUBSCRIPTION "${text}": ${why}`);
      return { pattern, group };
    });
  if (subscriptions.length > mostSubscriptions) problems.push(`more than ${mostSubscriptions} subscriptions`);
  if (problems.length > 0) throw fail("LINK_VALUES_INVALID", "messaging in memory", problems.join("; "));
  return subscriptions;
}

function fromJson(text: string | undefined, problems: string[]): string[] {
  if (text === undefined) return [];
  try {
    const { subscriptions = [] } = JSON.parse(text) as { subscriptions?: unknown };
    if (Array.isArray(subscriptions) && subscriptions.every((each) => typeof each === "string")) return subscriptions;
  } catch {
    problems.push("config_json is no JSON object");
    return [];
  }
  problems.push("config_json.subscriptions is no list of texts");
  return [];
}
