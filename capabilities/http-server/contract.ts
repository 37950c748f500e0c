import type { Era } from "../../lattice/index.ts";

/**
 * The contract `wasmcloud:httpserver`: an HTTP request as an actor gets it and its reply, for the
 * five eras. Source: waPC and actors reference, section 11.1.
 */
export interface HttpRequest {
  readonly method: string;
  /** Raw, as received, without the query. */
  readonly path: string;
  /** Without the leading `?`; empty for none. */
  readonly queryString: string;
  /**
   * Name, value, name, value, ... in any spelling and with repeated names, as Node's `rawHeaders`.
   * Values may be text, or have one character per byte as Node gives them. Hop-by-hop headers are left out.
   */
  readonly header: readonly string[];
  readonly body: Uint8Array;
}

export interface HttpReply {
  /** 200 where the reply has none. */
  readonly statusCode: number;
  /** Name, value, name, value, ... as the actor spelt them; a name may come several times. */
  readonly header: string[];
  /** A view over the reply's bytes. */
  readonly body: Uint8Array;
}

/** The name under which modules of an era answer HTTP requests. */
export function httpOperation(era: Era): string {
  return era === "E4" ? "HttpServer.HandleRequest" : "HandleRequest";
}
