/**
 * What goes over the pipe so that a provider in a process of its own may serve the host's listeners:
 * the host keeps sockets and connections, each request goes to the child and its answer comes back.
 */
import type { ListenerRoute } from "../../capabilities/index.ts";

/** Whose listener it shall be: `ListenerOwner` as plain data. */
export interface OwnerData {
  readonly id: string;
  readonly name: string;
  readonly joins: boolean;
  readonly route: ListenerRoute | null;
  readonly tls: { readonly cert: string; readonly key: string } | null;
}

export type HttpToChild =
  /** A request came to the claim; its body follows. */
  | {
      readonly type: "http";
      readonly id: number;
      readonly claim: number;
      readonly method: string;
      readonly url: string;
      readonly version: string;
      /** Name, value, name, value, as they came. */
      readonly headers: readonly string[];
    }
  /** A piece of its body, beside the message; `last` without one. */
  | { readonly type: "http-body"; readonly id: number; readonly last: boolean }
  /** The client is gone. */
  | { readonly type: "http-gone"; readonly id: number };

export type HttpFromChild =
  /** Answered by `invoked` with the lease as JSON, or `invoke-failed`. */
  | { readonly type: "claim"; readonly id: number; readonly address: string; readonly owner: OwnerData }
  /** Gives the claim up. Answered as `claim`. */
  | { readonly type: "release"; readonly id: number; readonly claim: number }
  /** The client may send its body. */
  | { readonly type: "http-continue"; readonly id: number }
  | {
      readonly type: "http-head";
      readonly id: number;
      readonly status: number;
      readonly reason: string | null;
      readonly headers: readonly string[];
    }
  /** A piece of the answer's body, beside the message. */
  | { readonly type: "http-part"; readonly id: number; readonly last: boolean }
  /** The provider wants nothing more of that request: its connection ends. */
  | { readonly type: "http-end"; readonly id: number };

/** What a child may send of these; anything else ends it. */
export function isHttpFromChild(value: Record<string, unknown>): boolean {
  const { type, id, address, owner, claim, status, reason, headers, last } = value;
  if (typeof id !== "number") return false;
  switch (type) {
    case "claim":
      return typeof address === "string" && isOwner(owner);
    case "release":
      return typeof claim === "number";
    case "http-continue":
    case "http-end":
      return true;
    case "http-head":
      return (
        Number.isInteger(status) &&
        (reason === null || typeof reason === "string") &&
        Array.isArray(headers) &&
        headers.length % 2 === 0 &&
        headers.every((each) => typeof each === "string")
      );
    case "http-part":
      return typeof last === "boolean";
    default:
      return false;
  }
}

function isOwner(value: unknown): value is OwnerData {
  const { id, name, joins, route, tls } = (value ?? {}) as Record<string, unknown>;
  return (
    typeof id === "string" &&
    typeof name === "string" &&
    typeof joins === "boolean" &&
    (route === null || areTexts(route, "host", "path")) &&
    (tls === null || areTexts(tls, "cert", "key"))
  );
}

function areTexts(value: unknown, ...names: readonly string[]): boolean {
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).every(([name, each]) => names.includes(name) && typeof each === "string");
}
