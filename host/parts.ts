import { fail } from "../lattice/index.ts";
import type { EventRing } from "./events.ts";
import type { Fleet } from "./fleet.ts";
import type { LogBook } from "./log-ring.ts";
import type { HostConfig } from "./options.ts";
import type { Policy, PolicyRequest } from "./policy.ts";
import type { Wanted } from "./wanted.ts";

/** What the verbs of one host share. */
export interface HostParts {
  readonly config: HostConfig;
  readonly wanted: Wanted;
  readonly fleet: Fleet;
  readonly events: EventRing;
  readonly logs: LogBook;
  readonly policy: Policy | undefined;
}

/** @throws LatticeError POLICY_REFUSED with the policy's reason. */
export async function askPolicy({ policy }: HostParts, request: PolicyRequest): Promise<void> {
  if (!policy) return;
  const decision = await policy(request);
  if ("deny" in decision) throw fail("POLICY_REFUSED", request.action, decision.deny);
}
