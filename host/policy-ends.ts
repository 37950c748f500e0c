import type { Origin, Target, VerifiedInvocation } from "../lattice/index.ts";
import type { ProviderSpec } from "./engine-messages.ts";
import type { PolicyEnd, PolicyRequest } from "./policy.ts";
import type { Route } from "./routes.ts";

/** What a policy is asked about a call whose way is known. */
export function policyRequest({ origin, target, operation }: VerifiedInvocation, route: Route): PolicyRequest {
  const caller = callerOf(origin);
  return {
    action: "perform_invocation",
    origin: caller.key,
    target: target.kind === "actor" ? target.key : target.contractId,
    operation,
    caller,
    called: calledOf(target, route),
  };
}

/** What a policy is asked about a provider that is to start. */
export function startRequest({ key, name, contractId, linkName, claims }: ProviderSpec) {
  const { issuer = "", issuedAt, expiresAt } = claims ?? {};
  return { action: "start_provider", provider: key, name, contractId, linkName, issuer, issuedAt, expiresAt } as const;
}

function callerOf(origin: Origin): PolicyEnd {
  if (origin.kind === "operator") return { key: origin.name };
  if (origin.kind === "actor") return { key: origin.key };
  const { key, contractId, linkName } = origin;
  return { key, contractId, linkName };
}

/** The provider itself, under the link by which it is called; eras have other names for its contract. */
function calledOf(target: Target, route: Route): PolicyEnd {
  if (target.kind === "actor") return { key: target.key };
  const { contractId, linkName } = target;
  if (route.kind === "provider") {
    const { spec } = route.link;
    return { key: spec.provider, contractId: spec.contractId, linkName: spec.linkName };
  }
  return { key: route.kind === "service" ? route.provider.spec.key : contractId, contractId, linkName };
}
