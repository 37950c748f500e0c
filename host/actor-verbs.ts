import { decodeReply, encodeOperation } from "../capabilities/index.ts";
import { type Era, fail, type GuestLanguage } from "../lattice/index.ts";
import { fewerInstances } from "./fewer-instances.ts";
import type { Host } from "./host.ts";
import { bytes, flag, json, optional, text, textMap, wholeNumber } from "./parameters.ts";
import { target, type VerbContext, type Verbs, verb } from "./verb-table.ts";

/** What can be done with actors. */
export function actorVerbs(host: Host): Verbs {
  return {
    call: verb({
      name: "call",
      summary: "Calls an actor; `json` is encoded for its era, `payload` is sent as it is.",
      params: {
        target,
        operation: text({ max: 256 }),
        payload: optional(bytes(host.config.limits.payloadBytes)),
        json: optional(json()),
        timeoutMs: optional(wholeNumber(1, 3_600_000)),
      },
      run: async ({ target: name, operation, payload, json: value, timeoutMs }) => {
        const { era, language } = spokenBy(host, name);
        const sent = payload ?? encodeOperation(era, language, operation, value);
        const started = performance.now();
        const reply = await host.call(name, operation, sent, timeoutMs === undefined ? {} : { timeoutMs });
        const ms = Math.round((performance.now() - started) * 1_000) / 1_000;
        return { payload: Buffer.from(reply).toString("base64"), reply: decodeReply(era, operation, reply), era, ms };
      },
    }),
    "start.actor": verb({
      name: "start.actor",
      summary: "Starts an actor from a reference or from the bytes given.",
      params: {
        reference: optional(text({ max: 4_096 })),
        bytes: optional(bytes(host.config.limits.moduleBytes)),
        instances: optional(wholeNumber(1, 10_000)),
        annotations: optional(textMap()),
        env: optional(textMap()),
      },
      run: async ({ reference, bytes: given, instances, annotations, env }, { from }) => {
        const module = await loadFrom(host, "start.actor", reference, given, from);
        const handle = await host.startActor(module, {
          ...(instances === undefined ? {} : { instances }),
          ...(annotations ? { annotations } : {}),
          ...(env ? { env } : {}),
          ...(reference === undefined ? {} : { reference }),
        });
        return { actor: { id: handle.id, name: handle.name, placement: handle.placement, era: module.era } };
      },
    }),
    "stop.actor": verb({
      name: "stop.actor",
      summary: "Lets an actor finish its calls and stops it, or, with a count above 0, so many of its instances.",
      params: { target, annotations: optional(textMap()), count: optional(wholeNumber(0, 65_535)) },
      run: async ({ target: name, annotations, count = 0 }) => {
        const found = host.wanted.findPlacements(name, annotations);
        if (count === 0) await host.stopActor(name, annotations);
        else await fewerInstances(host, found, count);
        return { actor: { id: found[0].spec.module.key } };
      },
    }),
    scale: verb({
      name: "scale",
      summary: "Sets the most instances of an actor per engine.",
      params: { target, instances: wholeNumber(1, 10_000), annotations: optional(textMap()) },
      run: async ({ target: name, instances, annotations }) => {
        await host.scale(name, instances, annotations);
        return { actor: { id: host.wanted.actorKey(name), instances } };
      },
    }),
    update: verb({
      name: "update",
      summary: "Replaces an actor's module under the same key, without losing a call.",
      params: {
        target,
        reference: optional(text({ max: 4_096 })),
        bytes: optional(bytes(host.config.limits.moduleBytes)),
        force: optional(flag()),
        sameCapabilities: optional(flag()),
        trialMs: optional(wholeNumber(0, 3_600_000)),
        annotations: optional(textMap()),
      },
      run: async ({ target: name, reference, bytes: given, ...wishes }, { from }) => {
        const { force, sameCapabilities, trialMs, annotations } = wishes;
        const module = await loadFrom(host, "update", reference, given, from);
        const handle = await host.updateActor(name, module, reference, {
          onlyNewer: force !== true,
          sameCapabilities: sameCapabilities ?? false,
          trialMs: trialMs ?? 0,
          ...(annotations ? { annotations } : {}),
        });
        return { actor: { id: handle.id, name: handle.name } };
      },
    }),
  };
}

async function loadFrom(
  host: Host,
  verbName: string,
  reference: string | undefined,
  given: Uint8Array | undefined,
  from: VerbContext["from"],
) {
  if (given) return host.load(given, reference ?? "the module sent");
  if (reference === undefined) throw fail("REQUEST_INVALID", verbName, "reference or bytes must be given");
  if (from === "lattice" && host.member) return host.member.resolve(reference);
  const { bytes: fetched, origin } = await host.fetch(reference);
  return host.load(fetched, origin);
}

/** How an actor speaks, wherever it runs. @throws LatticeError ACTOR_ABSENT, ACTOR_AMBIGUOUS. */
function spokenBy(host: Host, name: string): { readonly era: Era; readonly language: GuestLanguage } {
  try {
    return host.wanted.findActor(name).spec.module;
  } catch (error) {
    const elsewhere = host.fleet.caller.tables.peers.findActor(name)?.actor;
    if (!elsewhere) throw error;
    return elsewhere;
  }
}
