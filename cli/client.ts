import { describe, fail, failFrom, fromWire, type WireError } from "../lattice/index.ts";

/** Stands on a request that is answered at once, with a job to follow. */
export const jobHeader = "Lattice-Job";

/** A host that can be asked, over its control socket or over its lattice: the same verbs, the same answers. */
export interface HostClient {
  /** For messages: `the host at /run/...`. */
  readonly where: string;

  /**
   * Asks one verb and waits for its answer, without `success`.
   * @throws LatticeError what the host answered; HOST_ABSENT when nobody listens; RPC_TIMEOUT after `timeoutMs`.
   */
  call(verb: string, parameters?: object, timeoutMs?: number): Promise<Document>;

  /**
   * Asks one verb and waits for no more than that the host has begun with it: the answer is `{ job: { id } }`.
   * @throws as `call`.
   */
  begin(verb: string, parameters?: object, timeoutMs?: number): Promise<Document>;

  /**
   * Asks a verb that goes on: yields each item until the host ends the stream or the caller stops reading.
   * @throws as `call`, also in the middle of the stream.
   */
  stream(verb: string, parameters?: object): AsyncGenerator<Document>;
}

/** What a host answers: JSON, read field by field. */
export type Document = Readonly<Record<string, unknown>>;

/** @throws LatticeError REPLY_MALFORMED naming who answered. */
export function parseAnswer(text: string, where: string, verb: string): Document {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value as Document;
  } catch (error) {
    throw failFrom(error, "REPLY_MALFORMED", where, verb, "no JSON");
  }
  throw fail("REPLY_MALFORMED", where, verb, "no JSON object");
}

/** An answer without `success`. @throws LatticeError what the host answered. */
export function unwrap(document: Document): Document {
  const { success, ...rest } = document;
  if (success !== false) return rest;
  const { error, code, kind, hint, cause } = rest as { error?: string } & Partial<WireError>;
  const message = error ?? "the host refused without a reason";
  if (code === undefined || kind === undefined) throw fail("PROVIDER_FAILED", "the host", "the request", message);
  throw fromWire({ code, kind, message, ...(hint ? { hint } : {}), ...(cause ? { cause: describe(cause) } : {}) });
}

/** Rows of a list in an answer. */
export function rowsOf(document: Document, name: string): Document[] {
  const value = document[name];
  return Array.isArray(value) ? (value as Document[]) : [];
}

/** A field as text: texts as they are, absent as undefined, the rest as JSON. */
export function textOf(document: Document, name: string): string | undefined {
  const value = document[name];
  if (value === undefined || value === null) return undefined;
  return typeof value === "string" ? value : JSON.stringify(value);
}
