import { describe, fail } from "../lattice/index.ts";
import type { NamedConfiguration } from "./configurations.ts";
import type { Host } from "./host.ts";
import { text, textMap, wholeNumber } from "./parameters.ts";
import { shownSetting } from "./shown-rows.ts";
import { type Verbs, verb } from "./verb-table.ts";
import type { LinkRecord } from "./wanted.ts";

const name = text({ max: 64 });
/** Longest wait of a host for a change that was made at another, in milliseconds. */
const longestWaitMs = 5_000;
const lookEveryMs = 20;

/** A link that does not take effect with the values of now, or a host of which that is not known. */
interface LinkProblem {
  readonly host_id: string;
  readonly actor_id?: string;
  readonly contract_id?: string;
  readonly link_name?: string;
  readonly message: string;
}

/** Named configurations of the lattice, or of a host that stands alone. */
export function configurationVerbs(host: Host): Verbs {
  return {
    "config.put": verb({
      name: "config.put",
      summary: "Sets all values of a named configuration; links that use it take effect with them.",
      params: { name, values: textMap() },
      run: async ({ name: called, values }) => {
        const put = await host.configurations.put(called, values);
        const problems = [...problemsHere(host, called), ...(await problemsElsewhere(host, put))];
        return { configuration: shown(host, put), problems };
      },
    }),
    "config.taken": verb({
      name: "config.taken",
      summary: "Answers when a revision of a configuration has taken effect on this host.",
      reads: true,
      params: { name, revision: wholeNumber(0, Number.MAX_SAFE_INTEGER) },
      run: async ({ name: called, revision }) => {
        const end = performance.now() + longestWaitMs;
        while ((host.configurations.find(called)?.revision ?? 0) < revision) {
          if (performance.now() > end) throw fail("RPC_TIMEOUT", `configuration ${called}`, longestWaitMs);
          await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
        }
        await host.configurations.takenUp(called);
        return { problems: problemsHere(host, called) };
      },
    }),
    "config.get": verb({
      name: "config.get",
      summary: "A named configuration and the links that use it.",
      reads: true,
      params: { name },
      run: async ({ name: called }) => ({ configuration: shown(host, host.configurations.get(called)) }),
    }),
    "config.list": verb({
      name: "config.list",
      summary: "Named configurations.",
      reads: true,
      params: {},
      run: async () => ({ configurations: host.configurations.all.map((each) => shown(host, each)) }),
    }),
    "config.del": verb({
      name: "config.del",
      summary: "Deletes a named configuration that no link uses.",
      params: { name },
      run: async ({ name: called }) => {
        host.configurations.get(called);
        const users = host.links.using(called).length;
        if (users > 0) throw fail("CONFIGURATION_USED", called, users);
        await host.configurations.delete(called);
        return { configuration: { name: called } };
      },
    }),
  };
}

function problemsHere(host: Host, called: string): LinkProblem[] {
  return host.links.using(called).flatMap(({ spec: { actor, contractId, linkName }, problem }) => {
    if (problem === undefined) return [];
    return [{ host_id: host.id, actor_id: actor, contract_id: contractId, link_name: linkName, message: problem }];
  });
}

/** What the other hosts say that run providers of links that use it; resolves when it has taken effect there. */
async function problemsElsewhere(host: Host, { name: called, revision }: NamedConfiguration): Promise<LinkProblem[]> {
  const { member } = host;
  if (!member) return [];
  const providers = new Set(host.links.using(called).map(({ spec }) => spec.provider));
  const running = member.peers.filter((peer) => peer.providers.some(({ key }) => providers.has(key)));
  const answers = await Promise.all(
    running.map(async ({ host: peer, name: peerName }): Promise<readonly LinkProblem[]> => {
      try {
        const { problems } = await member.ask(peer, "config.taken", { name: called, revision });
        return Array.isArray(problems) ? (problems as LinkProblem[]) : [];
      } catch (error) {
        return [{ host_id: peer, message: `host ${peerName} does not say whether it took it up: ${describe(error)}` }];
      }
    }),
  );
  return answers.flat();
}

function shown(host: Host, { name: called, values, revision }: NamedConfiguration) {
  return {
    name: called,
    revision,
    values: Object.fromEntries(Object.entries(values).map(([key, value]) => [key, shownSetting(key, value)])),
    links: host.links.using(called).map(usedBy),
  };
}

function usedBy({ spec: { actor, provider, contractId, linkName } }: LinkRecord) {
  return { actor_id: actor, provider_id: provider, contract_id: contractId, link_name: linkName };
}
