import { fetchModule } from "../actors/index.ts";
import { decodeReply, encodeOperation } from "../capabilities/index.ts";
import { canonicalContract, defaultLinkName, fail } from "../lattice/index.ts";
import { explain } from "./explain.ts";
import { HostMetrics } from "./host-metrics.ts";
import type { Host } from "./host.ts";
import { hostRecord, inventory, snapshot } from "./inventory.ts";
import { metricsText } from "./metrics-text.ts";
import { bytes, flag, json, optional, text, textMap, wholeNumber } from "./parameters.ts";
import { type Verbs, verb } from "./verb-table.ts";
import { version } from "./version.ts";
import { type LinkRecord, publicClaims } from "./wanted.ts";

const target = text({ max: 1_024 });
const linkName = optional(text({ max: 256 }));

/** Everything that can be asked of a host, from the control socket or the lattice: one table, one host. */
export function verbsOf(host: Host, onStop: () => void = () => {}): Verbs {
  const metrics = new HostMetrics(host.config.limits.metricPlacements);
  return {
    version: verb({
      name: "version",
      summary: "The version of this host.",
      reads: true,
      params: {},
      run: async () => ({ version, node: process.version }),
    }),
    health: verb({
      name: "health",
      summary: "Whether this host is ready, check by check.",
      reads: true,
      params: {},
      run: async () => {
        const { checks } = await snapshot(host);
        return { ready: checks.every(({ ok }) => ok), checks };
      },
    }),
    metrics: verb({
      name: "metrics",
      summary: "Figures as Prometheus text.",
      reads: true,
      params: {},
      run: async () => ({ text: metricsText(metrics.families(await snapshot(host))) }),
    }),
    "get.hosts": verb({
      name: "get.hosts",
      summary: "This host's record.",
      reads: true,
      params: {},
      run: async () => ({ hosts: [hostRecord(host)] }),
    }),
    "get.inventory": verb({
      name: "get.inventory",
      summary: "What runs here.",
      reads: true,
      params: {},
      run: async () => ({ inventories: [await inventory(host)] }),
    }),
    "get.actors": verb({
      name: "get.actors",
      summary: "Actors that run here, of one tag if asked.",
      reads: true,
      params: { tag: optional(text()) },
      run: async ({ tag }) => {
        const { actors } = await inventory(host);
        return { actors: tag === undefined ? actors : actors.filter(({ tags }) => tags.includes(tag)) };
      },
    }),
    "get.providers": verb({
      name: "get.providers",
      summary: "Providers that run here.",
      reads: true,
      params: {},
      run: async () => ({ providers: (await inventory(host)).providers }),
    }),
    "get.links": verb({
      name: "get.links",
      summary: "Links.",
      reads: true,
      params: {},
      run: async () => ({ links: [...host.wanted.links.values()].map(linkJson) }),
    }),
    "get.claims": verb({
      name: "get.claims",
      summary: "What the signatures of the running actors say.",
      reads: true,
      params: {},
      run: async () => ({
        claims: [...host.wanted.placements.values()].map(({ spec }) => claimsJson(publicClaims(spec.module.claims))),
      }),
    }),
    "get.events": verb({
      name: "get.events",
      summary: "What happened here lately; with follow, what happens.",
      reads: true,
      params: { follow: optional(flag()) },
      run: async ({ follow }, { signal }) =>
        follow ? host.events.watch({ signal }) : { events: host.events.recent() },
    }),
    describe: verb({
      name: "describe",
      summary: "All that is known of an actor, a provider or this host.",
      reads: true,
      params: { target },
      run: ({ target: name }) => describeTarget(host, name),
    }),
    explain: verb({
      name: "explain",
      summary: "The path that a call would take, step by step.",
      reads: true,
      params: { target, operation: optional(text()) },
      run: async ({ target: name, operation }) => ({ ...(await explain(host, name, operation)) }),
    }),
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
        const { era, language } = host.wanted.findActor(name).spec.module;
        const sent = payload ?? encodeOperation(era, language, operation, value);
        const started = performance.now();
        const reply = await host.call(name, operation, sent, timeoutMs === undefined ? {} : { timeoutMs });
        const ms = Math.round((performance.now() - started) * 1_000) / 1_000;
        return { payload: Buffer.from(reply).toString("base64"), reply: decodeReply(era, operation, reply), era, ms };
      },
    }),
    logs: verb({
      name: "logs",
      summary: "What an actor wrote; kept for a while after it stopped.",
      reads: true,
      params: {
        target,
        follow: optional(flag()),
        tail: optional(wholeNumber(0, 1_000_000)),
        since: optional(wholeNumber(0, Number.MAX_SAFE_INTEGER)),
      },
      run: async ({ target: name, follow, tail, since }, { signal }) => {
        const placements = placementsWithLogs(host, name);
        const query = { ...(tail === undefined ? {} : { tail }), ...(since === undefined ? {} : { since }), signal };
        return host.logs.read(placements, { ...query, follow: follow ?? false });
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
      run: async ({ reference, bytes: given, instances, annotations, env }) => {
        const module = await loadFrom(host, reference, given);
        const handle = await host.startActor(module, {
          ...(instances === undefined ? {} : { instances }),
          ...(annotations ? { annotations } : {}),
          ...(env ? { env } : {}),
          ...(reference === undefined ? {} : { reference }),
        });
        return { actor: { id: handle.id, name: handle.name, placement: handle.placement, era: module.era } };
      },
    }),
    "start.provider": verb({
      name: "start.provider",
      summary: "Starts one of our providers: builtin:NAME or a contract id.",
      params: {
        reference: text({ max: 4_096 }),
        linkName,
        config: optional(textMap()),
        annotations: optional(textMap()),
      },
      run: async ({ reference, linkName: name, config, annotations }) => {
        const provider = await host.startProvider(reference, {
          ...(name === undefined ? {} : { linkName: name }),
          ...(config ? { config } : {}),
          ...(annotations ? { annotations } : {}),
        });
        return {
          provider: {
            id: provider.id,
            name: provider.name,
            contract_id: provider.contractId,
            link_name: provider.linkName,
          },
        };
      },
    }),
    "stop.actor": verb({
      name: "stop.actor",
      summary: "Lets an actor finish its calls and stops it.",
      params: { target },
      run: async ({ target: name }) => {
        const id = host.wanted.actorKey(name);
        await host.stopActor(name);
        return { actor: { id } };
      },
    }),
    "stop.provider": verb({
      name: "stop.provider",
      summary: "Lets a provider finish its calls and stops it.",
      params: { target, linkName },
      run: async ({ target: name, linkName: link }) => {
        const { key } = host.wanted.findProvider(name, link).spec;
        await host.stopProvider(name, link);
        return { provider: { id: key } };
      },
    }),
    "stop.host": verb({
      name: "stop.host",
      summary: "Drains this host and ends it.",
      params: {},
      run: async () => {
        // After the answer is on its way.
        setImmediate(onStop);
        return { host: { id: host.id } };
      },
    }),
    drain: verb({
      name: "drain",
      summary: "Finishes what is in flight and takes no new work.",
      params: { timeoutMs: optional(wholeNumber(0, 3_600_000)) },
      run: async ({ timeoutMs }) => {
        await host.drain(timeoutMs);
        return { host: { id: host.id, state: host.state } };
      },
    }),
    scale: verb({
      name: "scale",
      summary: "Sets the most instances of an actor per engine.",
      params: { target, instances: wholeNumber(1, 10_000) },
      run: async ({ target: name, instances }) => {
        await host.scale(name, instances);
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
      },
      run: async ({ target: name, reference, bytes: given }) => {
        const handle = await host.updateActor(name, await loadFrom(host, reference, given), reference);
        return { actor: { id: handle.id, name: handle.name } };
      },
    }),
    "link.put": verb({
      name: "link.put",
      summary: "Lets an actor use a provider, with these values.",
      params: { actor: target, provider: target, contractId: optional(text()), linkName, values: optional(textMap()) },
      run: async ({ actor, provider, contractId, linkName: name, values }) => {
        const behind = host.wanted.findProvider(provider).spec;
        if (contractId !== undefined && canonicalContract(contractId) !== canonicalContract(behind.contractId)) {
          throw fail("REQUEST_INVALID", "link.put", `${behind.name} provides ${behind.contractId}, not ${contractId}`);
        }
        const link = await host.link(actor, behind.id, {
          ...(name === undefined ? {} : { linkName: name }),
          ...(values ? { values } : {}),
        });
        return { link: linkJson(link), urls: link.urls };
      },
    }),
    "link.del": verb({
      name: "link.del",
      summary: "Takes a link back.",
      params: { actor: target, contractId: text(), linkName },
      run: async ({ actor, contractId, linkName: name }) => {
        await host.unlink(actor, contractId, name ?? defaultLinkName);
        return {};
      },
    }),
    "link.query": verb({
      name: "link.query",
      summary: "Links.",
      reads: true,
      params: {},
      run: async () => ({ links: [...host.wanted.links.values()].map(linkJson) }),
    }),
  };
}

async function loadFrom(host: Host, reference: string | undefined, given: Uint8Array | undefined) {
  if (given) return host.load(given, reference ?? "the module sent");
  if (reference === undefined) throw fail("REQUEST_INVALID", "start.actor", "reference or bytes must be given");
  const { bytes: fetched, origin } = await fetchModule(reference, { maxBytes: host.config.limits.moduleBytes });
  return host.load(fetched, origin);
}

/** Values may hold what only the provider should see, so only their names are shown beside what is plainly public. */
function linkJson({ spec, urls }: LinkRecord) {
  const { id, actor, provider, contractId, linkName: link_name, values } = spec;
  return {
    id,
    actor_id: actor,
    provider_id: provider,
    link_name,
    contract_id: contractId,
    values: redacted(values),
    urls,
  };
}

const secretName = /pass|secret|token|seed|key|jwt|credential|auth/i;

/** Values whose name sounds secret, and passwords inside URLs, are never shown. */
function redacted(values: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      secretName.test(name) ? "[redacted]" : value.replace(/(\w+:\/\/[^/@\s:]*):[^/@\s]+@/g, "$1:[redacted]@"),
    ]),
  );
}

function claimsJson(claims: ReturnType<typeof publicClaims>) {
  const { key, issuer, name, capabilities, tags, revision, version: own, callAlias, expiresAt } = claims;
  return {
    sub: key,
    iss: issuer,
    name,
    caps: capabilities.join(","),
    rev: String(revision ?? 0),
    version: own ?? "",
    tags: tags.join(","),
    call_alias: callAlias ?? "",
    expires: expiresAt === undefined ? "never" : new Date(expiresAt * 1_000).toISOString(),
  };
}

/** Also of placements that have stopped, by id or by the actor's name. */
function placementsWithLogs(host: Host, name: string): readonly string[] {
  const stopped = host.logs
    .placements()
    .filter(({ id, actor }) => id === name || actor === name)
    .map(({ id }) => id);
  try {
    return [...new Set([...host.wanted.findPlacements(name).map(({ spec }) => spec.id), ...stopped])];
  } catch (error) {
    if (stopped.length > 0) return stopped;
    throw error;
  }
}

async function describeTarget(host: Host, name: string): Promise<object> {
  const all = await inventory(host);
  if (name === host.id || name === host.name || name === "host") {
    return { kind: "host", host: hostRecord(host), limits: host.config.limits, inventory: all };
  }
  const provider = [...host.wanted.providers.values()].find(({ spec }) =>
    [spec.key, spec.name, spec.contractId, spec.id].includes(name),
  );
  if (provider) {
    const links = [...host.wanted.links.values()]
      .filter(({ spec }) => spec.providerId === provider.spec.id)
      .map(linkJson);
    return {
      kind: "provider",
      provider: all.providers.find(({ instance_id }) => instance_id === provider.spec.id),
      links,
    };
  }
  const { key } = host.wanted.findActor(name).spec.module;
  const [record] = host.wanted.findPlacements(key);
  const links = [...host.wanted.links.values()].filter(({ spec }) => spec.actor === key).map(linkJson);
  return {
    kind: "actor",
    actor: all.actors.find(({ id }) => id === key),
    claims: claimsJson(publicClaims(record.spec.module.claims)),
    limits: record.spec.limits,
    links,
  };
}
