import { createHash } from "node:crypto";
import { entityUrl, targetUrl } from "./entities.ts";
import type { WireInvocation } from "./wire-invocation.ts";

/** What is hashed and signed of an invocation. */
export type SignedParts = Pick<WireInvocation, "origin" | "target" | "operation">;

/** URLs and hash as claims carry them. */
export interface InvocationSums {
  readonly originUrl: string;
  readonly targetUrl: string;
  /** Upper-case hex SHA-256 of origin URL, target URL with operation, operation once more, payload. */
  readonly hash: string;
}

/** Source: lattice protocol reference, sections 3.1 and 3.2. */
export function invocationSums({ origin, target, operation }: SignedParts, payload: Uint8Array): InvocationSums {
  const from = entityUrl(origin);
  const to = targetUrl(target, operation);
  const hash = createHash("sha256")
    .update(from + to + operation)
    .update(payload)
    .digest("hex")
    .toUpperCase();
  return { originUrl: from, targetUrl: to, hash };
}
