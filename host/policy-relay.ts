import type { MessagePort } from "node:worker_threads";
import { allowed, type Policy, type PolicyDecision, type PolicyEnd, type PolicyRequest } from "./policy.ts";

/** A policy that lives in the supervisor's thread, since what it asks is reached from there. */
export interface SharedPolicy {
  readonly decide: Policy;
  /** Calls `listener` when a decision that was given may stand no more. Returns what ends it. */
  onChange(listener: () => void): () => void;
}

interface Asked {
  readonly id: number;
  readonly request: PolicyRequest;
}
type Told = { readonly id: number; readonly decision: PolicyDecision } | { readonly forget: true };

/** Permissions that an engine keeps; more are asked for again. */
const mostKept = 65_536;

/** Answers an engine's questions on `port` until that engine has gone. */
export function servePolicy(port: MessagePort, policy: SharedPolicy): void {
  const tell = (message: Told) => port.postMessage(message);
  const end = policy.onChange(() => tell({ forget: true }));
  port.on("close", end);
  port.on("message", ({ id, request }: Asked) => {
    void (async () => {
      let decision: PolicyDecision;
      try {
        decision = await policy.decide(request);
      } catch {
        decision = { deny: "the policy itself failed" };
      }
      tell({ id, decision });
    })();
  });
  port.unref();
}

/** The supervisor's policy as an engine asks it. Permissions are kept until it takes one back; refusals are not. */
export function relayedPolicy(port: MessagePort): Policy {
  const waiting = new Map<number, (decision: PolicyDecision) => void>();
  const permitted = new Set<string>();
  let next = 1;
  let since = 0;
  port.on("message", (told: Told) => {
    if ("forget" in told) {
      since++;
      return permitted.clear();
    }
    waiting.get(told.id)?.(told.decision);
    waiting.delete(told.id);
  });
  port.unref();
  return (request) => {
    const key = keyOf(request);
    if (permitted.has(key)) return allowed;
    const id = next++;
    const asked = since;
    return new Promise((resolve) => {
      waiting.set(id, (decision) => {
        if (permitted.size >= mostKept) permitted.clear();
        // What was decided before a change may be what the change took back.
        if ("allow" in decision && asked === since) permitted.add(key);
        resolve(decision);
      });
      port.postMessage({ id, request } satisfies Asked);
    });
  };
}

/** Decisions are about who acts on whom, whatever the operation. Source: lattice protocol reference, section 13. */
function keyOf(request: PolicyRequest): string {
  if (request.action !== "perform_invocation") return JSON.stringify(request);
  return `${endName(request.caller)} ${endName(request.called)}`;
}

function endName({ key, contractId = "", linkName = "" }: PolicyEnd): string {
  return `${key} ${contractId} ${linkName}`;
}
