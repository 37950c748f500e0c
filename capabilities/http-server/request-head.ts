import type { TraceContext } from "../../lattice/index.ts";
import { headerName } from "./header-names.ts";
import { newTraceparent } from "./trace.ts";

/** What the listener itself needs of a request's head. */
export interface RequestHead {
  /** Bytes announced; -1 when nothing was. */
  readonly contentLength: number;
  readonly chunked: boolean;
  /** The client waits for `100 Continue` before it sends the body. */
  readonly expects: boolean;
  readonly trace: TraceContext;
  /** The caller's own id of the request, where it is fit to be sent back. */
  readonly requestId: string | undefined;
  /** The header without lines that `Connection` names; mostly the same list as came in. */
  readonly header: readonly string[];
}

const traceparentForm = /^[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}/;
const requestIdForm = /^[\x21-\x7e]{1,128}$/;

/** One pass over the raw lines: no object of headers is built. */
export function readHead(rawHeaders: readonly string[]): RequestHead {
  let contentLength = -1;
  let chunked = false;
  let expects = false;
  let traceparent: string | undefined;
  let tracestate: string | undefined;
  let requestId: string | undefined;
  let header = rawHeaders;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const role = headerName(rawHeaders[i]!)?.role;
    if (role === "plain" || role === "hop" || role === undefined) continue;
    const value = rawHeaders[i + 1]!;
    if (role === "content-length") contentLength = Number(value);
    else if (role === "transfer-encoding") chunked = true;
    else if (role === "expect") expects = true;
    else if (role === "connection") header = withoutNamed(header, value);
    else if (role === "traceparent") traceparent = traceparentForm.test(value) ? value : undefined;
    else if (role === "tracestate") tracestate = value.length <= 512 ? value : undefined;
    else if (requestIdForm.test(value)) requestId = value;
  }
  const trace: TraceContext =
    traceparent === undefined
      ? { traceparent: newTraceparent() }
      : tracestate === undefined
        ? { traceparent }
        : { traceparent, tracestate };
  return { contentLength, chunked, expects, trace, requestId, header };
}

/** `Connection: close, X-Hop` makes X-Hop a header of the connection (RFC 9110, 7.6.1). */
function withoutNamed(header: readonly string[], connection: string): readonly string[] {
  if (connection === "keep-alive" || connection === "close") return header;
  const named = new Set(
    connection
      .toLowerCase()
      .split(",")
      .map((each) => each.trim()),
  );
  return header.filter((_, i) => !named.has(header[i & ~1]!.toLowerCase()));
}
