import { isDeepStrictEqual } from "node:util";
import { runInNewContext } from "node:vm";
import { fail } from "../../lattice/index.ts";

type Schema = Readonly<Record<string, unknown>>;

/** A pattern that backtracks for longer is taken for a mismatch, in milliseconds. */
const patternMs = 100;
const deepest = 32;
const mostProblems = 50;

/**
 * Checks link values against the `config_schema` of an archive's claims: JSON Schema's type, properties, required,
 * enum, const, pattern, minLength, maxLength, minimum, maximum, additionalProperties and items; other keywords are
 * passed over. Link values are text, so a value fits a number, a boolean, an object or a list when it reads as one.
 * Problems name the value, never what it holds: that may be a secret.
 * Source: JSON Schema 2020-12, validation; waPC and actors reference, section 5.4.
 * @throws LatticeError LINK_VALUES_INVALID naming all problems.
 */
export function checkLinkValues(schema: unknown, values: Readonly<Record<string, string>>, provider: string): void {
  if (!isSchema(schema)) return;
  const typed = Object.fromEntries(
    Object.entries(values).map(([name, text]) => [name, readAs(propertySchema(schema, name), text)]),
  );
  const problems = check(schema, typed, "", 0).slice(0, mostProblems);
  if (problems.length > 0) throw fail("LINK_VALUES_INVALID", provider, problems.join("; "));
}

/** What the text of a value is meant to be; the text itself when it reads as none of what is asked for. */
function readAs(schema: unknown, text: string): unknown {
  if (!isSchema(schema)) return text;
  const kinds = kindsOf(schema) ?? allowed(schema)?.map(kindOf) ?? ["string"];
  if (kinds.includes("string") && (allowed(schema)?.includes(text) ?? true)) return text;
  try {
    const value: unknown = JSON.parse(text);
    return kinds.some((kind) => isKind(value, kind)) ? value : text;
  } catch {
    return text;
  }
}

function check(schema: unknown, value: unknown, path: string, depth: number): string[] {
  const what = path || "they";
  if (schema === false) return [`${what} may not be there`];
  if (!isSchema(schema) || depth > deepest) return [];
  const kinds = kindsOf(schema);
  if (kinds && !kinds.some((kind) => isKind(value, kind)))
    return [`${what} must be ${kinds.map(withArticle).join(" or ")}`];
  const values = allowed(schema);
  if (values && !values.some((each) => isDeepStrictEqual(each, value)))
    return [`${what} must be ${cut(values.map((each) => JSON.stringify(each)).join(" or "))}`];
  if (typeof value === "string") return checkText(schema, value, what);
  if (typeof value === "number") return checkNumber(schema, value, what);
  if (Array.isArray(value))
    return value.flatMap((item, at) => check(schema["items"], item, `${path}[${at}]`, depth + 1));
  return isSchema(value) ? checkMembers(schema, value, path, depth) : [];
}

function checkText({ pattern, minLength, maxLength }: Schema, text: string, what: string): string[] {
  const { length } = Array.from(text);
  const problems: string[] = [];
  if (typeof minLength === "number" && length < minLength)
    problems.push(`${what} needs at least ${minLength} characters`);
  if (typeof maxLength === "number" && length > maxLength)
    problems.push(`${what} has more than ${maxLength} characters`);
  if (typeof pattern === "string" && !matches(pattern, text)) problems.push(`${what} does not match ${cut(pattern)}`);
  return problems;
}

function checkNumber({ minimum, maximum }: Schema, value: number, what: string): string[] {
  const problems: string[] = [];
  if (typeof minimum === "number" && value < minimum) problems.push(`${what} must be at least ${minimum}`);
  if (typeof maximum === "number" && value > maximum) problems.push(`${what} must be at most ${maximum}`);
  return problems;
}

function checkMembers(schema: Schema, value: Schema, path: string, depth: number): string[] {
  const { required, additionalProperties, patternProperties } = schema;
  const nameOf = (name: string) => (path === "" ? name : `${path}.${name}`);
  const missing = (Array.isArray(required) ? required : [])
    .filter((name) => typeof name === "string" && !Object.hasOwn(value, name))
    .map((name) => `${nameOf(cut(name as string))} is missing`);
  const wrong = Object.entries(value).flatMap(([name, member]) => {
    if (
      propertySchema(schema, name) !== undefined ||
      additionalProperties === undefined ||
      patternProperties !== undefined
    )
      return check(propertySchema(schema, name), member, nameOf(name), depth + 1);
    return additionalProperties === false
      ? [`${nameOf(cut(name))} is unknown`]
      : check(additionalProperties, member, nameOf(name), depth + 1);
  });
  return [...missing, ...wrong];
}

function propertySchema({ properties }: Schema, name: string): unknown {
  return isSchema(properties) && Object.hasOwn(properties, name) ? properties[name] : undefined;
}

/** Undefined when any will do. */
function kindsOf({ type }: Schema): readonly string[] | undefined {
  if (typeof type === "string") return [type];
  return Array.isArray(type) ? type.filter((each) => typeof each === "string") : undefined;
}

function allowed(schema: Schema): readonly unknown[] | undefined {
  if ("const" in schema) return [schema["const"]];
  return Array.isArray(schema["enum"]) ? schema["enum"] : undefined;
}

function isKind(value: unknown, kind: string): boolean {
  return kindOf(value) === kind || (kind === "integer" && Number.isInteger(value));
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}

function withArticle(kind: string): string {
  const words: Readonly<Record<string, string>> = {
    integer: "a whole number",
    null: "null",
    array: "a list",
    object: "an object",
  };
  return words[kind] ?? `a ${cut(kind)}`;
}

/** As far as it is a pattern at all. Apart, so that one that never ends can be ended. */
function matches(pattern: string, text: string): boolean {
  let form: RegExp;
  try {
    form = new RegExp(pattern, "u");
  } catch {
    return true;
  }
  try {
    return runInNewContext("form.test(text)", { form, text }, { timeout: patternMs }) === true;
  } catch {
    return false;
  }
}

function cut(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}...` : text;
}

function isSchema(value: unknown): value is Schema {
  return kindOf(value) === "object";
}
