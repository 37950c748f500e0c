import { printTime, type ActorClaims } from "../lattice/index.ts";
import { compareRevisions } from "../lattice/index.ts";
import type { EventName } from "./events.ts";
import type { PlacementRecord, ProviderRecord } from "./wanted.ts";
import { version } from "./version.ts";

/** What one change is told as, in this order: clients of the 0.x years wait for different names. */
export type Told = readonly (readonly [EventName, Readonly<Record<string, unknown>>])[];

/**
 * A placement started: as one instance (older clients), as the number of instances (newer ones), and
 * as the scale that now stands.
 * Source: lattice protocol reference, section 7; captures of 0.82, section 5.
 */
export function toldStart(host: string, record: PlacementRecord): Told {
  const { instances } = record.spec.limits;
  const about = aboutPlacement(host, record);
  return [
    ["actor_started", { ...about, name: about.claims.name, api_version: 0, instance_id: record.spec.id }],
    ["actors_started", { ...about, count: instances }],
    ["actor_scaled", { ...about, ...scaleOf(instances) }],
  ];
}

/** `remaining` counts what other placements of the same key may still run. The scale that stands is 0. */
export function toldStop(host: string, record: PlacementRecord, remaining: number): Told {
  const { claims, ...about } = aboutPlacement(host, record);
  const { instances } = record.spec.limits;
  return [
    ["actor_stopped", { ...about, name: claims.name, instance_id: record.spec.id }],
    ["actors_stopped", { ...about, count: instances, remaining }],
    ["actor_scaled", { ...about, claims, ...scaleOf(0) }],
  ];
}

/** `before` is the number of instances until now; an unchanged one is told as the scale that stands. */
export function toldScale(host: string, record: PlacementRecord, before: number): Told {
  const { claims, ...about } = aboutPlacement(host, record);
  const { instances } = record.spec.limits;
  const scaled = ["actor_scaled", { ...about, claims, ...scaleOf(instances) }] as const;
  if (instances > before) return [["actors_started", { ...about, claims, count: instances - before }], scaled];
  if (instances < before)
    return [["actors_stopped", { ...about, count: before - instances, remaining: instances }], scaled];
  return [scaled];
}

/** The new module's instances first, then those that it replaced. */
export function toldUpdate(host: string, record: PlacementRecord, before: PlacementRecord): Told {
  const { claims, ...about } = aboutPlacement(host, record);
  const old = aboutPlacement(host, before);
  const { instances } = record.spec.limits;
  return [
    [
      "actor_updated",
      {
        ...about,
        revision: record.spec.module.claims.revision ?? 0,
        instance_id: record.spec.id,
        ...difference(before.spec.module.claims, record.spec.module.claims),
      },
    ],
    ["actors_started", { ...about, claims, count: instances }],
    ["actor_scaled", { ...about, claims, ...scaleOf(instances) }],
    ["actors_stopped", { ...omit(old, "claims"), count: instances, remaining: instances }],
  ];
}

/** What of a provider is told when it starts. */
export function aboutProvider(host: string, { spec, annotations, reference }: ProviderRecord) {
  const { claims } = spec;
  return {
    ...aboutStoppedProvider(host, spec, annotations),
    image_ref: reference,
    claims: {
      issuer: claims?.issuer ?? "",
      name: spec.name,
      version: claims ? (claims.version ?? "") : version,
      tags: null,
      not_before_human: startText(claims?.notBefore),
      expires_human: endText(claims?.expiresAt),
    },
  };
}

/** What of a provider is told when it ends. */
export function aboutStoppedProvider(
  host: string,
  { id, key, contractId, linkName }: ProviderRecord["spec"],
  annotations: Readonly<Record<string, string>>,
) {
  return {
    annotations,
    contract_id: contractId,
    host_id: host,
    instance_id: id,
    link_name: linkName,
    public_key: key,
  };
}

/** An actor could not start. `key` is empty when its module was never read. */
export function toldStartFailed(
  host: string,
  what: { key: string; reference: string; annotations: Readonly<Record<string, string>>; instances: number },
  error: string,
): Told {
  const about = {
    annotations: what.annotations,
    error,
    host_id: host,
    image_ref: what.reference,
    public_key: what.key,
  };
  return [
    ["actor_start_failed", { actor_ref: what.reference, ...about }],
    ["actors_start_failed", about],
    ["actor_scale_failed", { ...about, ...scaleOf(what.instances) }],
  ];
}

/**
 * A scale under both of its names: clients up to 0.81 (wash 0.22, wadm's heartbeats) read `max_concurrent`
 * alone, those of 0.82 `max_instances` alone.
 */
function scaleOf(instances: number) {
  return { max_instances: instances, max_concurrent: instances };
}

function aboutPlacement(host: string, { spec, annotations, reference }: PlacementRecord) {
  const { key, claims } = spec.module;
  return { annotations, claims: toldClaims(claims), host_id: host, image_ref: reference, public_key: key };
}

/** What the events say of a token. Absent members are null, as in 0.82. */
function toldClaims({ callAlias, capabilities, issuer, name, tags, revision, version: own, ...dates }: ActorClaims) {
  return {
    call_alias: callAlias ?? null,
    caps: capabilities,
    expires_human: endText(dates.expiresAt),
    issuer,
    name,
    not_before_human: startText(dates.notBefore),
    revision: revision ?? null,
    tags,
    version: own ?? null,
  };
}

function startText(notBefore: number | undefined): string {
  return notBefore === undefined ? "immediately" : printTime(notBefore);
}

function endText(expiresAt: number | undefined): string {
  return expiresAt === undefined ? "never" : printTime(expiresAt);
}

/** What an update changed beside the code. */
function difference(from: ActorClaims, to: ActorClaims) {
  return {
    capabilities_added: to.capabilities.filter((each) => !from.capabilities.includes(each)),
    capabilities_removed: from.capabilities.filter((each) => !to.capabilities.includes(each)),
    downgrade: compareRevisions(to, from) < 0,
  };
}

function omit<T extends object, K extends keyof T>(of: T, name: K): Omit<T, K> {
  const { [name]: _left, ...rest } = of;
  return rest;
}
