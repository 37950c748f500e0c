import type {
  ActorHandle,
  CapabilityEntry,
  Host,
  HostFile,
  LinkEntry,
  ModuleEntry,
  ProviderHandle,
} from "../host/index.ts";
import { canonicalContract, contractOf, fail, isLatticeError } from "../lattice/index.ts";
import { fetchWithProgress } from "./files.ts";
import type { Progress } from "./progress.ts";
import type { RunActor, RunLink, RunReport } from "./run-modules.ts";

interface Started extends RunActor {
  readonly fileName: string | undefined;
}

/**
 * Starts what a host file asks for: actors, providers, then links, HTTP last, so that nobody is let
 * in before the rest stands. An entry that cannot start says where it stands in the file.
 * @throws LatticeError of the first entry that fails; the caller stops the host.
 */
export async function applyHostFile(host: Host, file: HostFile, progress: Progress): Promise<RunReport> {
  const modules = await Promise.all(
    file.actors.map((entry) =>
      at(entry, async () => {
        const { bytes, origin } = await fetchWithProgress(host, entry.reference, progress);
        return { entry, module: await host.load(bytes, origin) };
      }),
    ),
  );
  const actors: Started[] = [];
  for (const { entry, module } of modules) {
    progress.step(`Starting ${entry.name ?? module.claims.name}`);
    const { reference, instances, annotations, env } = entry;
    const handle = await at(entry, () =>
      host.startActor(module, { annotations, env, reference, ...(instances === undefined ? {} : { instances }) }),
    );
    actors.push({ handle, reference, era: module.era, urls: [], fileName: entry.name });
  }
  const providers = new Map<CapabilityEntry, ProviderHandle>();
  for (const entry of file.capabilities) {
    const { reference, contractId, linkName, config, module } = entry;
    progress.step(`Starting ${module?.path ?? reference ?? contractId ?? "a provider"}`);
    providers.set(
      entry,
      await at(entry, () =>
        module === undefined
          ? host.startProvider(reference ?? contractId ?? "", { linkName, config })
          : startModule(host, module, { linkName, config }),
      ),
    );
  }
  const urls = new Map<string, string[]>();
  const links: RunLink[] = [];
  for (const entry of [...file.links.filter((link) => !isHttp(link)), ...file.links.filter(isHttp)]) {
    await at(entry, async () => {
      const actor = actorOf(entry, actors);
      const provider = providerOf(entry, host, [...providers.values()]);
      progress.step(`Linking ${actor.name} to ${provider.name}`);
      const { linkName, values } = entry;
      const link = await host.link(actor, provider, { linkName, values });
      urls.set(actor.placement, [...(urls.get(actor.placement) ?? []), ...link.urls]);
      links.push({ actor: actor.id, provider: provider.id, contractId: provider.contractId, linkName });
    });
  }
  return {
    actors: actors.map(({ fileName: _fileName, ...actor }) => ({
      ...actor,
      urls: urls.get(actor.handle.placement) ?? [],
    })),
    providers: [...providers.values()],
    links,
    warnings: file.warnings,
  };
}

async function startModule(
  host: Host,
  module: ModuleEntry,
  options: { readonly linkName: string; readonly config: Readonly<Record<string, string>> },
): Promise<ProviderHandle> {
  const { providerOfEntry } = await import("../host/index.ts");
  const provider = await providerOfEntry(
    module,
    await host.withSecrets(options.config),
    host.config.limits.providerSilenceMs,
  );
  try {
    return await host.startProvider(provider, { ...options, reference: module.path });
  } catch (error) {
    // It may have a process or a thread already.
    await provider.stop?.();
    throw error;
  }
}

function isHttp({ contractId }: LinkEntry): boolean {
  return canonicalContract(contractId) === contractOf("httpserver");
}

/** Errors of an entry begin with its place in the file. */
async function at<T>(entry: { readonly at: string }, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isLatticeError(error) && !error.message.startsWith(entry.at)) error.message = `${entry.at}: ${error.message}`;
    throw error;
  }
}

/** By the file's own name for it, key, name in the token, or the host's other ways of finding one. */
function actorOf({ actor }: LinkEntry, started: readonly Started[]): ActorHandle {
  const named = started.filter(({ fileName }) => fileName === actor);
  const fitting =
    named.length > 0 ? named : started.filter(({ handle: { id, name } }) => id === actor || name === actor);
  const [found, ...others] = fitting;
  if (found === undefined) throw fail("ACTOR_ABSENT", actor);
  if (others.length > 0) {
    throw fail("ACTOR_AMBIGUOUS", actor, fitting.map(({ handle }) => `${handle.name} (${handle.id})`).join(", "));
  }
  return found.handle;
}

function providerOf(entry: LinkEntry, host: Host, started: readonly ProviderHandle[]): ProviderHandle {
  const contract = canonicalContract(entry.contractId);
  const portable = [...host.wanted.providers.values()].map(({ spec }) => ({
    id: spec.key,
    name: spec.name,
    contractId: spec.contractId,
    linkName: spec.linkName,
    instance: spec.id,
  }));
  const fits = (provider: ProviderHandle) =>
    canonicalContract(provider.contractId) === contract &&
    (entry.provider === undefined ? provider.linkName === entry.linkName : provider.id === entry.provider);
  const found = [...started, ...portable].find(fits);
  if (found !== undefined) return found;
  throw fail(
    "PROVIDER_ABSENT",
    `of ${entry.contractId} under link name "${entry.linkName}" (name one in capabilities)`,
  );
}
