import { JsonFields } from "../json-fields.ts";
import type { Texts } from "../json-fields.ts";

/**
 * What a host asks the policy service of its lattice, and what that answers: JSON request and reply.
 * Source: lattice protocol reference, section 13.
 */
export type PolicyAction = "start_actor" | "start_provider" | "perform_invocation";

/** Who acts. Dates in seconds since 1970; contract and link name are those of a provider. */
export interface PolicySource {
  readonly publicKey: string;
  readonly contractId?: string;
  readonly linkName?: string;
  readonly capabilities: readonly string[];
  readonly issuer: string;
  readonly issuedAt: number;
  readonly expiresAt?: number | undefined;
}

export interface PolicyTarget {
  readonly publicKey: string;
  readonly issuer: string;
  readonly contractId?: string;
  readonly linkName?: string;
}

export interface PolicyHost {
  readonly publicKey: string;
  /** Cluster key. */
  readonly issuer: string;
  readonly lattice: string;
  readonly labels: Texts;
  readonly clusterIssuers: readonly string[];
}

export interface PolicyQuestion {
  readonly requestId: string;
  readonly source: PolicySource;
  readonly target: PolicyTarget;
  readonly host: PolicyHost;
  readonly action: PolicyAction;
}

export interface PolicyAnswer {
  readonly requestId: string;
  readonly permitted: boolean;
  readonly message: string;
}

export function encodePolicyQuestion(
  { requestId, source, target, host, action }: PolicyQuestion,
  nowSeconds: number = Date.now() / 1_000,
): Uint8Array {
  const question = {
    requestId,
    source: {
      publicKey: source.publicKey,
      contractId: source.contractId,
      linkName: source.linkName,
      capabilities: source.capabilities,
      issuer: source.issuer,
      issuedOn: String(source.issuedAt),
      expiresAt: source.expiresAt ?? null,
      expired: source.expiresAt !== undefined && source.expiresAt <= nowSeconds,
    },
    target: {
      publicKey: target.publicKey,
      issuer: target.issuer,
      contractId: target.contractId,
      linkName: target.linkName,
    },
    host: {
      publicKey: host.publicKey,
      issuer: host.issuer,
      latticeId: host.lattice,
      labels: host.labels,
      clusterIssuers: host.clusterIssuers,
    },
    action,
  };
  return Buffer.from(JSON.stringify(question));
}

/** An answer, or the change of one. @throws LatticeError REQUEST_INVALID; who asked then takes it as a denial. */
export function readPolicyAnswer(payload: Uint8Array): PolicyAnswer {
  const fields = JsonFields.parse(payload, "a policy decision");
  return {
    requestId: fields.text("requestId"),
    permitted: fields.flag("permitted"),
    message: fields.optionalText("message") ?? "",
  };
}

/** Decisions kept; over it the oldest is asked for again. */
const maxDecisions = 65_536;

/**
 * Decisions by source, target and action. A change names the request that it changes and replaces
 * what was decided then.
 */
export class PolicyAnswers {
  readonly #decisions = new Map<string, PolicyAnswer>();
  readonly #byRequest = new Map<string, string>();
  readonly #capacity: number;

  constructor(capacity: number = maxDecisions) {
    this.#capacity = capacity;
  }

  get(question: Pick<PolicyQuestion, "source" | "target" | "action">): PolicyAnswer | undefined {
    return this.#decisions.get(keyOf(question));
  }

  /** Keeps an answer. Only that to `question` counts: one of another request id changes nothing. */
  keep(question: PolicyQuestion, decision: PolicyAnswer): void {
    if (decision.requestId !== question.requestId) return;
    const key = keyOf(question);
    this.#forget(key);
    this.#decisions.set(key, decision);
    this.#byRequest.set(decision.requestId, key);
    const [oldest] = this.#decisions.keys();
    if (this.#decisions.size > this.#capacity && oldest !== undefined) this.#forget(oldest);
  }

  /** Takes a change; false when it is of nothing that was decided here. */
  change(decision: PolicyAnswer): boolean {
    const key = this.#byRequest.get(decision.requestId);
    if (key === undefined) return false;
    this.#decisions.set(key, decision);
    return true;
  }

  #forget(key: string): void {
    const before = this.#decisions.get(key);
    if (!before) return;
    this.#decisions.delete(key);
    this.#byRequest.delete(before.requestId);
  }
}

function keyOf({ source, target, action }: Pick<PolicyQuestion, "source" | "target" | "action">): string {
  const parts = [source.publicKey, source.contractId, source.linkName];
  return JSON.stringify([...parts, target.publicKey, target.contractId, target.linkName, action]);
}
