import { isLatticeError } from "../../lattice/index.ts";
import type { ErrorCode } from "../../lattice/index.ts";

/** A failed request as the outside may see it: no names, keys, links or texts from inside. */
export interface Failure {
  readonly status: number;
  readonly code: ErrorCode | "INTERNAL";
  readonly message: string;
}

/** What a status means to somebody who knows nothing of actors. */
const messages: Readonly<Record<number, string>> = {
  400: "the request cannot be understood",
  403: "this is not allowed",
  404: "nothing answers here",
  405: "this method is not allowed here",
  408: "the request took too long to arrive",
  409: "this conflicts with something else",
  413: "the request is too large",
  500: "the application failed",
  502: "something that the application depends on failed",
  503: "busy or not ready; try again in a moment",
  504: "the application took too long to answer",
  508: "the application called itself in a circle",
};

/** Status by the error catalogue, message by the status: what an error says inside stays inside. */
export function failureOf(error: unknown): Failure {
  if (!isLatticeError(error)) return { status: 500, code: "INTERNAL", message: messages[500]! };
  const status = error.httpStatus;
  const message = error.code === "REPLY_MALFORMED" ? "the application's answer cannot be read" : messages[status];
  return { status, code: error.code, message: message ?? messages[500]! };
}

/**
 * The body of a failure: JSON `{"error":{"code","message","trace_id"}}`, or one line of text for
 * those who ask for text and not for JSON.
 */
export function failureBody(
  { status, code, message }: Failure,
  traceId: string,
  accept: string | undefined,
): { readonly type: string; readonly body: string } {
  if (accept !== undefined && /\btext\//i.test(accept) && !/\bjson\b/i.test(accept)) {
    return { type: "text/plain; charset=utf-8", body: `${status} ${message} (${code}, trace ${traceId})\n` };
  }
  return { type: "application/json", body: `${JSON.stringify({ error: { code, message, trace_id: traceId } })}\n` };
}
