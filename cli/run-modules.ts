import type { ActorHandle, Host, ProviderHandle } from "../host/index.ts";
import { canonicalContract, fail } from "../lattice/index.ts";
import { fetchWithProgress } from "./files.ts";
import type { Progress } from "./progress.ts";
import { planRun, type OwnProvider, type RunPlan, type RunWishes } from "./run-plan.ts";

/** What `run` started. */
export interface RunReport {
  readonly actors: readonly RunActor[];
  readonly providers: readonly ProviderHandle[];
  readonly links: readonly RunLink[];
  readonly warnings: readonly string[];
}

export interface RunActor {
  readonly handle: ActorHandle;
  readonly reference: string;
  readonly era: string;
  readonly urls: readonly string[];
}

export interface RunLink {
  readonly actor: string;
  readonly provider: string;
  readonly contractId: string;
  readonly linkName: string;
}

export interface RunRequest {
  readonly wishes: RunWishes;
  readonly env: Readonly<Record<string, string>>;
  readonly own: readonly OwnProvider[];
}

/**
 * Loads every module, then starts actors, providers and links by plan.
 * @throws LatticeError what refuses first; the caller stops the host.
 */
export async function runModules(
  host: Host,
  references: readonly string[],
  { wishes, env, own }: RunRequest,
  progress: Progress,
): Promise<RunReport> {
  const modules = await Promise.all(
    references.map(async (reference) => {
      const { bytes, origin } = await fetchWithProgress(host, reference, progress);
      return host.load(bytes, origin);
    }),
  );
  const plan = planRun(
    modules.map(({ claims }) => ({
      name: claims.name,
      capabilities: claims.capabilities,
      portable: claims.portableProvider,
    })),
    own,
    wishes,
  );

  const handles: ActorHandle[] = [];
  // Portable providers first: actors may call what they provide as soon as they run.
  for (const [at, module] of [...modules.entries()].toSorted(([, a], [, b]) => rank(a) - rank(b))) {
    progress.step(`Starting ${module.claims.name}`);
    const reference = references[at] ?? "";
    handles[at] = await host.startActor(module, { env, reference });
  }
  const providers = await startProviders(host, plan, handles, progress);
  const urls = new Map<number, string[]>();
  const links: RunLink[] = [];
  for (const { module, provider, linkName, values } of plan.links) {
    const actor = handles[module];
    const behind = providers[provider];
    if (actor === undefined || behind === undefined) throw new TypeError("the plan names what was not started");
    progress.step(`Linking ${actor.name} to ${behind.name}`);
    const link = await host.link(actor, behind, { linkName, values });
    urls.set(module, [...(urls.get(module) ?? []), ...link.urls]);
    links.push({ actor: actor.id, provider: behind.id, contractId: behind.contractId, linkName });
  }
  return {
    actors: handles.map((handle, at) => ({
      handle,
      reference: references[at] ?? "",
      era: modules[at]?.era ?? "",
      urls: urls.get(at) ?? [],
    })),
    providers,
    links,
    warnings: plan.warnings,
  };
}

const rank = (module: { claims: { portableProvider: boolean } }) => (module.claims.portableProvider ? 0 : 1);

async function startProviders(
  host: Host,
  plan: RunPlan,
  handles: readonly ActorHandle[],
  progress: Progress,
): Promise<ProviderHandle[]> {
  const started: ProviderHandle[] = [];
  for (const { contractId, linkName, source } of plan.providers) {
    progress.step(`Starting a provider of ${contractId}`);
    if (source.kind === "own") {
      started.push(await host.startProvider(source.reference, { linkName, config: source.config }));
      continue;
    }
    const key = handles[source.module]?.id;
    const behind = [...host.wanted.providers.values()].find(
      ({ spec }) => spec.key === key && canonicalContract(spec.contractId) === contractId,
    );
    if (behind === undefined) throw fail("PROVIDER_ABSENT", contractId);
    const { spec } = behind;
    started.push({
      id: spec.key,
      name: spec.name,
      contractId: spec.contractId,
      linkName: spec.linkName,
      instance: spec.id,
    });
  }
  return started;
}
