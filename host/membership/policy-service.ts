import { randomUUID } from "node:crypto";
import {
  type Bus,
  describe,
  encodePolicyQuestion,
  type PolicyAnswer,
  PolicyAnswers,
  type PolicyQuestion,
  readPolicyAnswer,
} from "../../lattice/index.ts";
import type { Host } from "../host.ts";
import type { Policy, PolicyDecision, PolicyEnd, PolicyRequest } from "../policy.ts";
import type { SharedPolicy } from "../policy-relay.ts";
import type { LatticeConfig } from "./settings.ts";

type Question = Pick<PolicyQuestion, "source" | "target" | "action">;

/**
 * The lattice's policy service as a policy of this host: asked after the host's own checks, so that it can only
 * tighten. Decisions are kept; the service takes them back on its topic of changes. No answer in time is a
 * refusal, and is not kept.
 * Source: lattice protocol reference, section 13.
 */
export class PolicyService implements SharedPolicy {
  readonly #options: NonNullable<LatticeConfig["policyService"]>;
  readonly #answers = new PolicyAnswers();
  readonly #listeners = new Set<() => void>();
  #host: Host | undefined;
  #bus: Bus | undefined;

  constructor(options: NonNullable<LatticeConfig["policyService"]>) {
    this.#options = options;
  }

  /** From now on it can be asked; before, everything is refused. `onRefused` is told of changes that are none. */
  open(host: Host, bus: Bus, onRefused: (error: unknown) => void): void {
    this.#host = host;
    this.#bus = bus;
    const { changesTopic } = this.#options;
    if (changesTopic === undefined) return;
    bus.subscribe(changesTopic, ({ payload }) => {
      try {
        if (this.#answers.change(readPolicyAnswer(payload))) for (const listener of this.#listeners) listener();
      } catch (error) {
        onRefused(error);
        host.logger.warn(`a change of policy is ignored: ${describe(error)}`);
      }
    });
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Kept decisions are given at once, others when the service has answered. */
  readonly decide: Policy = (request) => {
    const host = this.#host;
    if (!host || !this.#bus) return { deny: "the policy service cannot be asked yet" };
    const question = questionOf(host, request);
    const known = this.#answers.get(question);
    return known ? decisionOf(known) : this.#ask(host, this.#bus, question);
  };

  async #ask(host: Host, bus: Bus, question: Question): Promise<PolicyDecision> {
    const { topic, timeoutMs } = this.#options;
    const { lattice, membership } = host.config;
    const asked: PolicyQuestion = {
      ...question,
      requestId: randomUUID(),
      host: {
        publicKey: host.id,
        issuer: host.cluster,
        lattice,
        labels: host.labels.all,
        clusterIssuers: [host.cluster, ...membership.clusterIssuers],
      },
    };
    try {
      const { payload } = await bus.request(topic, encodePolicyQuestion(asked), { timeoutMs });
      const answer = readPolicyAnswer(payload);
      if (answer.requestId !== asked.requestId) return { deny: "the policy service answered another question" };
      this.#answers.keep(asked, answer);
      return decisionOf(answer);
    } catch (error) {
      return { deny: `the policy service did not decide: ${describe(error)}` };
    }
  }
}

function decisionOf({ permitted, message }: PolicyAnswer): PolicyDecision {
  return permitted ? { allow: true } : { deny: message === "" ? "the policy service says no" : message };
}

/** Who acts on whom: what starts is its own source, as far as its token says something of it. */
function questionOf(host: Host, request: PolicyRequest): Question {
  switch (request.action) {
    case "start_actor": {
      const { actor, issuer, capabilities } = request;
      return {
        action: request.action,
        source: sourceOf(host, actor, issuer, capabilities),
        target: { publicKey: actor, issuer },
      };
    }
    case "start_provider": {
      const { provider, contractId, linkName, issuer, issuedAt = 0, expiresAt } = request;
      const named = { publicKey: provider, contractId, linkName, issuer };
      return { action: request.action, source: { ...named, capabilities: [], issuedAt, expiresAt }, target: named };
    }
    case "perform_invocation": {
      const { caller, called } = request;
      const source = { ...sourceOf(host, caller.key, issuerOf(host, caller), []), ...linkOf(caller) };
      const target = { publicKey: called.key, issuer: issuerOf(host, called), ...linkOf(called) };
      return { action: request.action, source, target };
    }
    default:
      return request satisfies never;
  }
}

function sourceOf(host: Host, key: string, issuer: string, capabilities: readonly string[]): Question["source"] {
  const claims = claimsOf(host, key);
  return {
    publicKey: key,
    issuer: claims?.issuer ?? issuer,
    capabilities: claims?.capabilities ?? capabilities,
    issuedAt: claims?.issuedAt ?? 0,
    expiresAt: claims?.expiresAt,
  };
}

function linkOf({ contractId, linkName }: PolicyEnd): Pick<Question["target"], "contractId" | "linkName"> {
  return { ...(contractId === undefined ? {} : { contractId }), ...(linkName === undefined ? {} : { linkName }) };
}

/** Of a provider that of its archive; of one that nobody signed nobody. */
function issuerOf(host: Host, { key, contractId }: PolicyEnd): string {
  if (contractId === undefined) return claimsOf(host, key)?.issuer ?? "";
  const here = [...host.wanted.providers.values()].find(({ spec }) => spec.key === key);
  return (here ? here.spec.claims : host.member?.claims.provider(key))?.issuer ?? "";
}

function claimsOf(host: Host, key: string) {
  const here = [...host.wanted.placements.values()].find(({ spec }) => spec.module.key === key);
  return here?.spec.module.claims ?? host.member?.claims.get(key);
}
