import type { ActorModule, PreparedModule } from "../actors/index.ts";
import { fail, isPublicKey, type ActorClaims } from "../lattice/index.ts";
import { type Annotations, annotated, carries } from "./annotations.ts";
import { type LinkSpec, type PlacementSpec, type ProviderSpec, slotOf } from "./engine-messages.ts";
import { match, shortContract } from "./names.ts";

/** What the host keeps of a placement beside what its engines need. */
export interface PlacementRecord {
  spec: PlacementSpec;
  readonly annotations: Readonly<Record<string, string>>;
  /** Where its bytes came from: a file, a URL, a reference. */
  reference: string;
  readonly startedAt: number;
}

export interface ProviderRecord {
  readonly spec: ProviderSpec;
  /** Takes no more calls. */
  draining?: boolean;
  readonly annotations: Readonly<Record<string, string>>;
  readonly reference: string;
  readonly startedAt: number;
}

export interface LinkRecord {
  readonly spec: LinkSpec;
  readonly urls: readonly string[];
  /** Why it does not take effect here with the values of now; it stays as it was. */
  readonly problem?: string;
}

/** What `startActor` answers: a name for one placement. */
export interface ActorHandle {
  /** M key. */
  readonly id: string;
  readonly name: string;
  readonly placement: string;
}

export interface ProviderHandle {
  /** V key. */
  readonly id: string;
  readonly name: string;
  readonly contractId: string;
  readonly linkName: string;
  /** Identity of this one running provider. */
  readonly instance: string;
}

/** What this host should run: the records of placements, providers and links, and finding them by name. */
export class Wanted {
  readonly placements = new Map<string, PlacementRecord>();
  readonly providers = new Map<string, ProviderRecord>();
  readonly links = new Map<string, LinkRecord>();
  /**
   * The other provider of each swap under way that means another key or went to another host, with the key of
   * the one that serves: hosts that still call it find it here, and let both call their actors.
   */
  readonly beside = new Map<ProviderRecord, string>();

  /**
   * The placements that `target` means: a handle, a placement id, an M key, a call alias, a name, or
   * the unique beginning of one of these; of them those that carry all of `annotations`.
   * @throws LatticeError ACTOR_ABSENT, ACTOR_AMBIGUOUS when it fits actors of different keys.
   */
  findActor(target: ActorHandle | string, annotations: Annotations = {}): PlacementRecord {
    const [first] = this.findPlacements(target, annotations);
    return first;
  }

  findPlacements(
    target: ActorHandle | string,
    annotations: Annotations = {},
  ): readonly [PlacementRecord, ...PlacementRecord[]] {
    if (typeof target !== "string") {
      const record = this.placements.get(target.placement);
      if (!record) throw fail("ACTOR_ABSENT", target.name);
      return [record];
    }
    const records = [...this.placements.values()].filter((record) => carries(record.annotations, annotations));
    const names = ({ spec: { id, module } }: PlacementRecord) => [
      id,
      module.key,
      module.claims.callAlias,
      module.claims.name,
    ];
    const found = match(records, names, target);
    const [first, ...others] = found;
    if (!first || target === "") throw fail("ACTOR_ABSENT", annotated(target, annotations));
    const keys = new Set(found.map(({ spec }) => spec.module.key));
    if (keys.size > 1)
      throw fail(
        "ACTOR_AMBIGUOUS",
        target,
        found.map(({ spec }) => `${spec.module.claims.name} (${spec.module.key})`).join(", "),
      );
    return [first, ...others];
  }

  /**
   * The provider that `target` means: a handle, an instance id, a V key, a name, a contract when only
   * one provides it, or the unique beginning of one of these; one that carries all of `annotations`.
   * @throws LatticeError PROVIDER_ABSENT, ACTOR_AMBIGUOUS naming the candidates.
   */
  findProvider(target: ProviderHandle | string, linkName?: string, annotations: Annotations = {}): ProviderRecord {
    if (typeof target !== "string") {
      const record = this.provider(target.instance);
      if (!record) throw fail("PROVIDER_ABSENT", target.name);
      return record;
    }
    const known = this.provider(target);
    if (known && carries(known.annotations, annotations)) return known;
    const records = [...this.providers.values()].filter(
      (record) =>
        (linkName === undefined || record.spec.linkName === linkName) && carries(record.annotations, annotations),
    );
    const names = ({ spec }: ProviderRecord) => [
      spec.id,
      spec.key,
      spec.name,
      spec.contractId,
      shortContract(spec.contractId),
    ];
    const found = match(records, names, target);
    const [first, ...others] = found;
    if (!first || target === "") throw fail("PROVIDER_ABSENT", annotated(target, annotations));
    if (others.length > 0)
      throw fail(
        "ACTOR_AMBIGUOUS",
        target,
        found.map(({ spec }) => `${spec.name} (${spec.key}, ${spec.linkName})`).join(", "),
      );
    return first;
  }

  /** The provider that was started as `id`, also when it has been swapped since. */
  provider(id: string): ProviderRecord | undefined {
    const slot = slotOf(id);
    return this.providers.get(id) ?? [...this.providers.values()].find(({ spec }) => slotOf(spec.id) === slot);
  }

  /** The M key of an actor that need not run here yet. */
  actorKey(target: ActorHandle | string): string {
    if (typeof target !== "string") return target.id;
    return isPublicKey(target, "module") ? target : this.findActor(target).spec.module.key;
  }

  urlsOf(record: PlacementRecord): readonly string[] {
    const { id, module } = record.spec;
    return [...this.links.values()]
      .filter(({ spec }) => spec.placement === id || (!spec.placement && spec.actor === module.key))
      .flatMap(({ urls }) => urls);
  }
}

/** True for what `Loader` or `prepare` made already. */
export function isPrepared(module: ActorModule | PreparedModule): module is PreparedModule {
  return "module" in module;
}

export function actorHandle({ spec }: PlacementRecord): ActorHandle {
  return Object.freeze({ id: spec.module.key, name: spec.module.claims.name, placement: spec.id });
}

export function providerHandle({ spec }: ProviderRecord): ProviderHandle {
  const { key, name, contractId, linkName, id } = spec;
  return Object.freeze({ id: key, name, contractId, linkName, instance: id });
}

/** Claims as the inventory shows them: without the token. */
export function publicClaims({ token: _token, ...claims }: ActorClaims): Omit<ActorClaims, "token"> {
  return claims;
}
