import { within } from "./deadlines.ts";
import type { Loader } from "../actors/index.ts";
import type { EventRing } from "./events.ts";
import type { Fleet } from "./fleet.ts";
import type { LogBook } from "./log-ring.ts";
import type { HostLogger } from "./logger.ts";
import type { HostConfig } from "./options.ts";
import { askPolicy, type Policy, type PolicyRequest } from "./policy.ts";
import type { Turns } from "./turns.ts";
import type { Wanted } from "./wanted.ts";

/** What a policy is asked about an actor or a provider that is to start. */
export type StartRequest = Extract<PolicyRequest, { name: string }>;

/** What the verbs of one host share. */
export interface HostParts {
  /** N key of the host. */
  readonly id: string;
  readonly config: HostConfig;
  readonly wanted: Wanted;
  readonly fleet: Fleet;
  /** On a thread of its own, or in the caller's where that runs everything. */
  readonly loader: Loader;
  readonly events: EventRing;
  readonly logs: LogBook;
  readonly logger: HostLogger;
  /** What is asked of one actor key, one provider or one link is done in the order in which it was asked. Taken in this order. */
  readonly turns: Turns;
  readonly policy: Policy | undefined;
}

/**
 * Asks the policy, when there is one, whether something may start.
 * @throws LatticeError POLICY_REFUSED with the policy's reason; DEADLINE_EXCEEDED when it does not decide.
 */
export async function askPolicyToStart({ policy, config }: HostParts, request: StartRequest): Promise<void> {
  if (!policy) return;
  const what = `${request.action} of ${request.name}`;
  await within(Promise.resolve(askPolicy(policy, request, what)), config.limits.callTimeoutMs, `the policy on ${what}`);
}
