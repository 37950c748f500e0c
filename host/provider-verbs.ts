import { defaultLinkName } from "../lattice/index.ts";
import type { Host } from "./host.ts";
import { bytes, flag, listOf, optional, text, textMap, wholeNumber } from "./parameters.ts";
import { linkJson } from "./shown-rows.ts";
import { mostConfigurations } from "./stored-links.ts";
import { swapLines } from "./swap-lines.ts";
import { target, type VerbContext, type Verbs, verb } from "./verb-table.ts";
import { providerHandle } from "./wanted.ts";

const linkName = optional(text({ max: 256 }));
/** Names of configurations. */
const config = optional(listOf(text({ max: 64 }), mostConfigurations));

/** What can be done with providers and links. */
export function providerVerbs(host: Host): Verbs {
  return {
    "start.provider": verb({
      name: "start.provider",
      summary:
        "Starts one of our providers (builtin:NAME or a contract id), or an archive by reference or by its bytes.",
      params: {
        reference: text({ max: 4_096 }),
        bytes: optional(bytes(host.config.limits.moduleBytes)),
        linkName,
        config: optional(textMap()),
        annotations: optional(textMap()),
      },
      run: async ({ reference, bytes: given, linkName: name, config, annotations }, { from }) => {
        const provider = await host.startProvider(given ? host.openArchive(given, reference) : reference, {
          ...(given ? { reference } : {}),
          files: mayBeFile(host, reference, from),
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
    "stop.provider": verb({
      name: "stop.provider",
      summary: "Lets a provider finish its calls and stops it.",
      params: { target, linkName, annotations: optional(textMap()) },
      run: async ({ target: name, linkName: link, annotations }) => {
        const record = host.wanted.findProvider(name, link, annotations);
        await host.stopProvider(providerHandle(record));
        return { provider: { id: record.spec.key } };
      },
    }),
    "drain.provider": verb({
      name: "drain.provider",
      summary: "Lets a provider finish its calls and gives it no more; it stays.",
      params: { target, linkName, timeoutMs: optional(wholeNumber(0, 3_600_000)) },
      run: async ({ target: name, linkName: link, timeoutMs }) => {
        const { id, name: shown } = await host.drainProvider(name, link, timeoutMs);
        return { provider: { id, name: shown, state: "draining" } };
      },
    }),
    swap: verb({
      name: "swap",
      summary: "Puts another provider in the place of a running one, step by step; the last line is the outcome.",
      params: {
        target,
        reference: optional(text({ max: 4_096 })),
        bytes: optional(bytes(host.config.limits.moduleBytes)),
        linkName,
        toHost: optional(text({ max: 256 })),
        config: optional(textMap()),
        copyState: optional(flag()),
        acceptPause: optional(flag()),
        trialMs: optional(wholeNumber(0, 3_600_000)),
        drainMs: optional(wholeNumber(0, 3_600_000)),
      },
      run: async ({ target: name, linkName: link, reference, bytes: sent, ...options }, { from }) => {
        const { id } = host.wanted.findProvider(name, link).spec;
        const next = sent ? host.openArchive(sent, reference ?? name) : reference;
        const files = mayBeFile(host, reference ?? "", from);
        const source = { ...(sent && reference !== undefined ? { reference } : {}), files };
        return swapLines((onStep) => host.swapProvider(id, next, { ...given(options), ...source, onStep }));
      },
    }),
    "link.put": verb({
      name: "link.put",
      summary: "Lets an actor use a provider, with these values.",
      params: {
        actor: target,
        provider: target,
        contractId: optional(text()),
        linkName,
        values: optional(textMap()),
        config,
      },
      run: async ({ actor, provider, contractId, linkName: name, values, config: names }) => {
        const link = await host.link(actor, provider, {
          ...(contractId === undefined ? {} : { contractId }),
          ...(name === undefined ? {} : { linkName: name }),
          ...(values ? { values } : {}),
          ...(names ? { config: names } : {}),
        });
        return { link: linkJson(link), urls: link.urls };
      },
    }),
    "link.del": verb({
      name: "link.del",
      summary: "Takes a link back.",
      params: { actor: target, contractId: text(), linkName },
      run: async ({ actor, contractId, linkName: name }) => {
        const deleted = await host.unlink(actor, contractId, name ?? defaultLinkName);
        return { deleted };
      },
    }),
  };
}

/** What comes over the lattice means a file of this host only as `file://`, and only when the host opted in. */
function mayBeFile({ config }: Host, reference: string, from: VerbContext["from"]): boolean {
  return from !== "lattice" || (config.membership.allowFiles && /^file:/i.test(reference));
}

/** Without what was not given. */
function given<T extends object>(values: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
