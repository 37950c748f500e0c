/**
 * A policy can only tighten: claims and links are always checked by the host itself, before and
 * whatever the policy says.
 */
export type PolicyRequest =
  | {
      readonly action: "start_actor";
      readonly actor: string;
      readonly name: string;
      readonly issuer: string;
      readonly capabilities: readonly string[];
    }
  | {
      readonly action: "start_provider";
      readonly provider: string;
      readonly name: string;
      readonly contractId: string;
      readonly linkName: string;
    }
  | {
      readonly action: "perform_invocation";
      readonly origin: string;
      readonly target: string;
      readonly operation: string;
    };

export type PolicyDecision = { readonly allow: true } | { readonly deny: string };

/**
 * Asked after the host's own checks have passed. A promise makes every call wait for it, so answer
 * at once where you can. A throw counts as a refusal.
 */
export type Policy = (request: PolicyRequest) => PolicyDecision | Promise<PolicyDecision>;

export const allowed: PolicyDecision = Object.freeze({ allow: true });
