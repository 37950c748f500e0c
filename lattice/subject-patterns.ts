import { fail } from "./errors.ts";

/**
 * Subjects and patterns as NATS has them: tokens between dots; in a pattern `*` stands for one token
 * and a last `>` for one or more. Which subjects the lattice uses is written elsewhere.
 */

/** Longest subject in characters: what a NATS server accepts with its default control line, and some room. */
const maxSubjectLength = 2_048;

/** @throws LatticeError SUBJECT_INVALID when a message may not be sent there. */
export function checkSubject(subject: string): void {
  const tokens = checkTokens(subject);
  if (tokens.some((token) => token === "*" || token === ">"))
    throw fail("SUBJECT_INVALID", subject, "a message goes to one subject, not to a pattern");
}

/** @throws LatticeError SUBJECT_INVALID when nothing can be subscribed by it. */
export function checkPattern(pattern: string): void {
  const tokens = checkTokens(pattern);
  const rest = tokens.indexOf(">");
  if (rest !== -1 && rest !== tokens.length - 1) throw fail("SUBJECT_INVALID", pattern, "> stands only at the end");
}

export function isPattern(text: string): boolean {
  return text.split(".").some((token) => token === "*" || token === ">");
}

/** Whether a pattern covers a subject. Both must be well-formed. */
export function subjectMatches(pattern: string, subject: string): boolean {
  return tokensMatch(pattern.split("."), subject.split("."));
}

/** `subjectMatches` of what was split before: for whoever compares one with many. */
export function tokensMatch(wanted: readonly string[], found: readonly string[]): boolean {
  const rest = wanted.at(-1) === ">";
  if (rest ? found.length < wanted.length : found.length !== wanted.length) return false;
  const compared = rest ? wanted.length - 1 : wanted.length;
  for (let at = 0; at < compared; at++) if (wanted[at] !== "*" && wanted[at] !== found[at]) return false;
  return true;
}

function checkTokens(text: string): string[] {
  if (text.length > maxSubjectLength)
    throw fail("SUBJECT_INVALID", `${text.slice(0, 40)}...`, `it is longer than ${maxSubjectLength} characters`);
  if (/\s|\p{Cc}/u.test(text)) throw fail("SUBJECT_INVALID", text, "it holds blanks or control characters");
  const tokens = text.split(".");
  if (tokens.includes("")) throw fail("SUBJECT_INVALID", text, "a token is empty");
  return tokens;
}
