import { fail } from "../../lattice/index.ts";

const longestSubject = 512;

/** What a link listens to: a subject with wildcards, and the queue group it shares messages with. */
export interface Subscription {
  readonly pattern: string;
  readonly group: string | undefined;
}

/** @throws LatticeError SUBJECT_INVALID for one that cannot be published to. */
export function checkSubject(subject: string): void {
  const why = problemOf(subject) ?? (/(^|\.)[*>](\.|$)/.test(subject) ? "wildcards are for subscriptions" : undefined);
  if (why !== undefined) throw fail("SUBJECT_INVALID", subject.slice(0, 80), why);
}

/** Why a subject or pattern is none, or undefined. Tokens are parted by dots; `>` stands last only. */
export function problemOf(subject: string): string | undefined {
  if (subject === "") return "it is empty";
  if (subject.length > longestSubject) return `it has more than ${longestSubject} characters`;
  if (/\s|\p{Cc}/u.test(subject)) return "it has blanks or control characters";
  const tokens = subject.split(".");
  if (tokens.includes("")) return "a token is empty";
  const rest = tokens.indexOf(">");
  return rest >= 0 && rest < tokens.length - 1 ? "> must come last" : undefined;
}

/** Why a text names no queue group, or undefined. */
export function groupProblem(group: string): string | undefined {
  if (/[*>]/.test(group)) return "a queue group has no wildcards";
  const why = problemOf(group);
  return why === undefined ? undefined : `of its queue group ${why}`;
}

/** Makes the test of a pattern: `*` is any one token, `>` any one or more at the end. */
export function matcher(pattern: string): (subject: string) => boolean {
  if (!/(^|\.)[*>](\.|$)/.test(pattern)) return (subject) => subject === pattern;
  const source = pattern
    .split(".")
    .map((token) => (token === "*" ? "[^.]+" : token === ">" ? ".+" : RegExp.escape(token)))
    .join("\\.");
  const form = new RegExp(`^${source}$`);
  return (subject) => form.test(subject);
}
