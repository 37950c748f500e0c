import {
  actorEntity,
  type Asker,
  fail,
  providerEntity,
  type RpcPolicy,
  speaksWasmcloud,
  type Target,
  type VerifiedInvocation,
  type WireEntity,
} from "../../lattice/index.ts";
import type { Elsewhere } from "../dispatch.ts";
import type { LinkSpec } from "../engine-messages.ts";
import type { LinkRow, Tables } from "../tables.ts";
import { type Candidate, fits } from "./candidates.ts";
import { DirectCalls, type DirectCallsOptions, isCode } from "./direct-calls.ts";
import { hasSubject } from "./entities.ts";
import { ownBytes } from "./own-bytes.ts";
import type { PeerHost } from "./peers.ts";

export interface RemoteCallsOptions extends DirectCallsOptions {
  readonly lattice: string;
  readonly rpc: RpcPolicy;
  readonly tables: Tables;
}

/**
 * Calls to other hosts. A target that one of our hosts announces is called there directly, on the one
 * of two with more room; any other on the subject that its hosts of 0.x share.
 */
export class RemoteCalls implements Elsewhere {
  readonly #options: RemoteCallsOptions;
  readonly #direct: DirectCalls;

  constructor(options: RemoteCallsOptions) {
    this.#options = options;
    this.#direct = new DirectCalls(options);
  }

  hasRoom(key: string, placement: string | undefined): boolean {
    return this.#running(key, placement, undefined).some(({ room }) => room > 0);
  }

  runsProvider({ spec }: LinkRow): boolean {
    return this.#providing(spec).length > 0;
  }

  askActor(given: VerifiedInvocation, asker: Asker<Uint8Array>): void {
    const { tables, lattice, subjects } = this.#options;
    const invocation = withOwnBytes(given);
    // Only calls of actors are routed here.
    const { key, placement } = invocation.target as Extract<Target, { kind: "actor" }>;
    // A provider has encoded for the era that its link tells.
    const era = invocation.origin.kind === "provider" ? tables.known(key)?.era : undefined;
    const target = actorEntity(key);
    this.#direct.ask(this.#running(key, placement, era), invocation, target, asker, (refusal) => {
      if (placement !== undefined && refusal === undefined) return Promise.reject(fail("PLACEMENT_ABSENT", placement));
      if (refusal !== undefined && !isCode(refusal, "NO_RESPONDERS")) throw refusal;
      const hosts = namesOf(tables.peers.actorsOf(key));
      const absent = () =>
        hosts !== "" ? fail("HOSTS_UNREACHED", `actor ${key}`, hosts) : fail("ACTOR_ABSENT", key, lattice);
      return this.#shared(subjects.write("actorRpc", { actor: key }), invocation, target, absent);
    });
  }

  askProvider(given: VerifiedInvocation, { spec }: LinkRow, asker: Asker<Uint8Array>): void {
    const { tables, subjects, lattice } = this.#options;
    const invocation = withOwnBytes(given);
    const linkName = spec.providerLinkName ?? spec.linkName;
    const key = tables.givenTo(spec)?.key ?? spec.provider;
    const target = providerEntity(key, spec.contractId, linkName);
    this.#direct.ask(this.#providing(spec), invocation, target, asker, (refusal) => {
      if (refusal !== undefined && !isCode(refusal, "NO_RESPONDERS")) throw refusal;
      const hosts = namesOf(tables.peers.providersOf(spec.provider, linkName));
      const absent = () =>
        hosts !== ""
          ? fail("HOSTS_UNREACHED", `provider ${spec.provider}`, hosts)
          : fail("PROVIDER_ABSENT", spec.provider, lattice);
      if (!hasSubject(spec.provider, linkName)) return Promise.reject(absent());
      const subject = subjects.write("providerRpc", { provider: spec.provider, linkName });
      return this.#shared(subject, invocation, target, absent);
    });
  }

  /** A host is gone: what waits for it fails. */
  hostGone(peer: PeerHost, orderly: boolean): void {
    this.#direct.hostGone(peer, orderly);
  }

  /** It is here and may be another process than before: then what waits for that one fails. */
  hostIsHere(peer: PeerHost): void {
    this.#direct.hostRestarted(peer);
  }

  /** The same of engines of a host that stays. */
  placesGone(peer: PeerHost, places: readonly string[]): void {
    this.#direct.placesGone(peer, places);
  }

  stop(): void {
    this.#direct.stop();
  }

  #running(key: string, placement: string | undefined, era: Parameters<typeof fits>[3]): readonly Candidate[] {
    const found: Candidate[] = [];
    for (const { peer, actor } of this.#options.tables.peers.actorsOf(key))
      if (fits(peer, actor, placement, era)) found.push({ peer, room: actor.room - this.#direct.count(peer.host) });
    return found;
  }

  /** Those that announce it; one that went from here to another host is asked there, announced or not. */
  #providing(spec: LinkSpec): readonly Candidate[] {
    const { peers } = this.#options.tables;
    const { provider, linkName, providerLinkName = linkName } = spec;
    const given = this.#options.tables.givenTo(spec);
    const there = given && peers.get(given.host);
    if (there) return [{ peer: there, room: 1 }];
    const found: Candidate[] = [];
    for (const { peer } of peers.providersOf(provider, providerLinkName))
      if (!peer.draining) found.push({ peer, room: 1 });
    return found;
  }

  /** The subject that all hosts share which run the target; nobody there is known at once. */
  async #shared(
    subject: string,
    invocation: VerifiedInvocation,
    target: WireEntity,
    absent: () => Error,
  ): Promise<Uint8Array> {
    if (!speaksWasmcloud(this.#options.rpc)) throw absent();
    try {
      return await this.#direct.signed(subject, invocation, target);
    } catch (error) {
      throw isCode(error, "NO_RESPONDERS") ? absent() : error;
    }
  }
}

function withOwnBytes(invocation: VerifiedInvocation): VerifiedInvocation {
  return { ...invocation, payload: ownBytes(invocation.payload) };
}

function namesOf(found: readonly { readonly peer: PeerHost }[]): string {
  return found.map(({ peer }) => peer.name).join(", ");
}
