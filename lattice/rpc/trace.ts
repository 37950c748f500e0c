import type { BusHeaders } from "../bus.ts";
import { noHeaders } from "../bus.ts";
import type { TraceContext } from "../invocations.ts";

/** Longest values taken over. Source: W3C Trace Context, sections 3.2 and 3.3. */
const traceparent = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;
const maxTracestate = 512;

/** A trace context of what came; undefined when it is absent or malformed, since tracing never fails a call. */
export function traceContext(parent: string | undefined, state: string | undefined): TraceContext | undefined {
  if (parent === undefined || !traceparent.test(parent)) return undefined;
  const usable = state !== undefined && state !== "" && state.length <= maxTracestate && !/[^\x20-\x7e]/.test(state);
  return usable ? { traceparent: parent, tracestate: state } : { traceparent: parent };
}

/** Headers of a message that belongs to a trace. */
export function traceHeaders(trace: TraceContext | undefined): BusHeaders {
  if (!trace) return noHeaders;
  const headers = new Map([["traceparent", [trace.traceparent]]]);
  if (trace.tracestate !== undefined) headers.set("tracestate", [trace.tracestate]);
  return headers;
}

export function traceOfHeaders(headers: BusHeaders): TraceContext | undefined {
  return traceContext(headers.get("traceparent")?.[0], headers.get("tracestate")?.[0]);
}
