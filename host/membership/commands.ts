import { describe, fail, JsonFields } from "../../lattice/index.ts";
import { type Annotations, carries } from "../annotations.ts";
import { toldScale, toldStartFailed } from "../event-data.ts";
import { fewerInstances } from "../fewer-instances.ts";
import { actorHandle, type PlacementRecord, providerHandle } from "../wanted.ts";
import { accepted, type Ack } from "./acks.ts";
import type { Desk } from "./desk.ts";
import { resolveReference } from "./references.ts";

type Command = (desk: Desk, payload: Uint8Array) => Ack | Promise<Ack>;

const mostInstances = 10_000;
const longestDrainMs = 3_600_000;

/**
 * The commands to one host (`cmd.N.NAME`), in the dialects of OTP and 0.82.
 * Source: lattice protocol reference, section 6; captures of 0.82, sections 3, 5, 13, 14.
 */
export const commands: Readonly<Record<string, Command>> = {
  /** OTP: `count` more instances. */
  la: (desk, payload) => {
    const request = JsonFields.parse(payload, "la");
    const count = request.wholeNumberOr("count", mostInstances, 1);
    return beginScale(
      desk,
      wantedScale(desk, request, (now) => now + count),
    );
  },

  /** 0.82: so many instances of an annotation set, 0 ends it. OTP: of the actor `actor_id`. */
  scale: (desk, payload) => {
    const request = JsonFields.parse(payload, "scale");
    const count = request.wholeNumberOr("count", 65_535, 1);
    return beginScale(
      desk,
      wantedScale(desk, request, () => Math.min(count, mostInstances)),
    );
  },

  /** Stops by key. OTP: `count` instances fewer; 0, and 0.82 without a count, all that fit the annotations. */
  sa: async (desk, payload) => {
    const { host } = desk;
    const request = JsonFields.parse(payload, "sa");
    const found = placementsOf(desk, request.text("actor_ref"), request.texts("annotations"));
    const count = request.wholeNumberOr("count", 65_535, 0);
    await fewerInstances(host, found, count === 0 ? Infinity : count);
    return accepted;
  },

  /**
   * Answers after the work. The new module must be the same actor's, and newer unless `force` is true; ours beside
   * it are `same_capabilities` and `trial_ms`.
   */
  upd: async (desk, payload) => {
    const { host, connection } = desk;
    const request = JsonFields.parse(payload, "upd");
    const reference = request.text("new_actor_ref");
    const found = placementsOf(desk, request.text("actor_id"), request.texts("annotations"));
    const asked = (name: string) => request.has(name) && request.flag(name);
    const options = {
      onlyNewer: !asked("force"),
      sameCapabilities: asked("same_capabilities"),
      trialMs: request.wholeNumberOr("trial_ms", 3_600_000, 0),
    };
    const module = await resolveReference(reference, host, connection);
    for (const record of found) await host.updateActor(actorHandle(record), module, reference, options);
    return accepted;
  },

  /** Answers at once when it can see that it will not work; the rest is told by events. */
  lp: (desk, payload) => {
    const { host } = desk;
    const request = JsonFields.parse(payload, "lp");
    const reference = request.text("provider_ref");
    const linkName = request.textOr("link_name", "default");
    const options = {
      linkName,
      annotations: request.texts("annotations"),
      config: configurationOf(request.textOr("configuration", undefined)),
      files: host.config.membership.allowFiles && /^file:/i.test(reference),
    };
    for (const { reference: running, spec } of host.wanted.providers.values())
      if (running === reference && spec.linkName === linkName)
        throw fail("ALREADY_RUNNING", `${reference} (${linkName})`);
    desk.background(`start of ${reference}`, async () => {
      const told = host.events.sequence;
      try {
        await host.startProvider(reference, options);
        desk.unable.forget(reference);
      } catch (error) {
        desk.unable.note(reference, error);
        const known = host.events
          .recent(told)
          .some(({ type, data }) => type === "provider_start_failed" && data["provider_ref"] === reference);
        if (!known)
          host.events.emit("provider_start_failed", {
            provider_ref: reference,
            link_name: linkName,
            error: describe(error),
          });
        throw error;
      }
    });
    return accepted;
  },

  /** By key, link name and annotations; links stay. */
  sp: async (desk, payload) => {
    const { host } = desk;
    const request = JsonFields.parse(payload, "sp");
    const key = request.text("provider_ref");
    const linkName = request.textOr("link_name", "default");
    const annotations = request.texts("annotations");
    const found = [...host.wanted.providers.values()].find(
      (record) =>
        record.spec.key === key && record.spec.linkName === linkName && carries(record.annotations, annotations),
    );
    if (!found) throw fail("PROVIDER_ABSENT", `${key} (${linkName})`);
    desk.background(`stop of ${found.spec.name}`, () => host.stopProvider(providerHandle(found)));
    return accepted;
  },

  /**
   * Only when the request itself names this host: nothing that came by mistake ends one. `timeout` is for calls
   * in flight, in milliseconds as wash sends it, an hour at most.
   */
  stop: (desk, payload) => {
    const request = JsonFields.parse(payload, "stop");
    if (request.text("host_id") !== desk.host.id) throw request.wrong("host_id", "the key of this host");
    const drainMs = request.wholeNumberOr("timeout", Number.MAX_SAFE_INTEGER, undefined);
    desk.stop(drainMs === undefined ? undefined : Math.min(drainMs, longestDrainMs));
    return accepted;
  },
};

interface WantedScale {
  readonly reference: string;
  readonly annotations: Annotations;
  /** The placement of this annotation set, when it runs. */
  readonly running: () => PlacementRecord | undefined;
  readonly count: (now: number) => number;
}

function wantedScale({ host }: Desk, request: JsonFields, count: (now: number) => number): WantedScale {
  const key = request.textOr("actor_id", undefined);
  const reference = key === undefined ? request.text("actor_ref") : request.textOr("actor_ref", key);
  const annotations = request.texts("annotations");
  return {
    reference,
    annotations,
    count,
    running: () =>
      [...host.wanted.placements.values()].find(
        (record) =>
          (record.reference === reference || record.spec.module.key === (key ?? reference)) &&
          sameAnnotations(record.annotations, annotations),
      ),
  };
}

/** What can be refused at once is; the rest goes on behind the answer, and its end is told by events. */
function beginScale(desk: Desk, wanted: WantedScale): Ack {
  const { host } = desk;
  if (host.state !== "running") throw fail(host.state === "draining" ? "DRAINING" : "STOPPED", `host ${host.name}`);
  // Of one reference one after the other: of two the later must see what the earlier did.
  const name = `scale ${wanted.reference}`;
  desk.background(`scale of ${wanted.reference}`, () => host.inTurn(name, () => performScale(desk, wanted)));
  return accepted;
}

async function performScale(desk: Desk, { reference, annotations, running, count }: WantedScale): Promise<void> {
  const { host, connection } = desk;
  let key = "";
  let instances = 0;
  try {
    const record = running();
    const before = record?.spec.limits.instances ?? 0;
    instances = count(before);
    if (record) {
      key = record.spec.module.key;
      if (instances === 0) await host.stopActor(actorHandle(record));
      else if (instances !== before) await host.scale(actorHandle(record), instances);
      else host.events.tell(toldScale(host.id, record, before));
      return;
    }
    if (instances === 0) throw fail("ACTOR_ABSENT", reference);
    const module = await resolveReference(reference, host, connection);
    key = module.key;
    const other = [...host.wanted.placements.values()].find(
      (held) => held.spec.module.key === key && sameAnnotations(held.annotations, annotations),
    );
    if (other) {
      const why = `it runs from ${other.reference}; update it instead`;
      throw fail("UPDATE_REFUSED", module.claims.name, why);
    }
    const told = host.events.sequence;
    try {
      await host.startActor(module, { instances, annotations, reference });
    } catch (error) {
      if (
        host.events.recent(told).some(({ type, data }) => type === "actors_start_failed" && data["public_key"] === key)
      )
        return host.logger.warn(`${reference} did not start: ${describe(error)}`);
      throw error;
    }
  } catch (error) {
    const told = toldStartFailed(host.id, { key, reference, annotations, instances }, describe(error));
    host.events.tell(instances === 0 || running() ? told.filter(([name]) => name === "actor_scale_failed") : told);
    throw error;
  }
}

/** @throws LatticeError ACTOR_ABSENT when none of this key has all of these annotations. */
function placementsOf({ host }: Desk, key: string, annotations: Annotations): readonly PlacementRecord[] {
  const found = [...host.wanted.placements.values()].filter(
    (record) => record.spec.module.key === key && carries(record.annotations, annotations),
  );
  if (found.length === 0) throw fail("ACTOR_ABSENT", key);
  return found;
}

/** The settings of a provider come as one text. @throws LatticeError REQUEST_INVALID unless it is JSON of texts. */
function configurationOf(text: string | undefined): Annotations {
  if (text === undefined) return {};
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    throw fail("REQUEST_INVALID", "lp", "configuration must be JSON");
  }
  if (typeof found !== "object" || found === null || Array.isArray(found))
    throw fail("REQUEST_INVALID", "lp", "configuration must be a JSON object");
  return Object.fromEntries(
    Object.entries(found).map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)]),
  );
}

function sameAnnotations(a: Annotations, b: Annotations): boolean {
  return Object.keys(a).length === Object.keys(b).length && carries(a, b);
}
