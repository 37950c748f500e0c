import { describe, isLatticeError } from "../lattice/index.ts";
import type { Host } from "./host.ts";
import { digestOf, ModuleCache } from "./module-cache.ts";
import { StateStore } from "./state-store.ts";
import { afterSwaps, linksAstray } from "./cut-swaps.ts";
import type { InterruptedSwap, SwapMemory } from "./swap-journal.ts";
import type { ProviderRecord } from "./wanted.ts";
import {
  countOf,
  type GoneProvider,
  nothingRemembered,
  readRemembered,
  type Remembered,
  type RememberedActor,
  type RememberedProvider,
  type Texts,
} from "./remembered.ts";

const version = 1;
/** Between attempts to bring back what did not come, doubled each time. */
const firstWaitMs = 1_000;
const longestWaitMs = 60_000;
/** What a deployment manager or the bridge started is started again by its owner. Source: lattice protocol reference, section 15. */
const ownerAnnotation = "wasmcloud.dev/managed-by";
/** After any of these what should run is another. */
const changes: ReadonlySet<string> = new Set([
  "actor_started",
  "actor_stopped",
  "actor_scaled",
  "actor_updated",
  "provider_started",
  "provider_stopped",
  "swapped",
  "swap_returned",
  "linkdef_set",
  "linkdef_deleted",
  "config_set",
  "config_deleted",
]);

/**
 * What a host should run, kept on its disk while it runs and started again under the same host key.
 * Modules are pinned by digest and kept beside it. An orderly stop changes nothing of it.
 */
export class MemoryOfHost implements SwapMemory {
  readonly #host: Host;
  readonly #store: StateStore;
  readonly #modules: ModuleCache;
  readonly #name: string;
  readonly #end: () => void;
  #written = Promise.resolve();
  #kept: Promise<unknown> = Promise.resolve();
  /** What did not come back yet: it stays wanted, and is tried again. */
  #missing = nothingRemembered;
  /** Why each of those does not come back, as it was told. */
  readonly #told = new Map<string, string>();
  /** Nothing is written before all that was remembered is known. */
  #restoring = true;
  #again: NodeJS.Timeout | undefined;

  private constructor(host: Host, store: StateStore, modules: ModuleCache) {
    this.#host = host;
    this.#store = store;
    this.#modules = modules;
    this.#name = `wanted-${host.id}`;
    this.#end = host.events.subscribe(({ type }) => {
      if (changes.has(type)) this.#write();
    });
  }

  /** @throws LatticeError FILE_UNREADABLE when the state directory cannot be used. */
  static async open(host: Host): Promise<MemoryOfHost> {
    const warn = (text: string) => host.logger.warn(text);
    const { stateDirectory } = host.config;
    return new MemoryOfHost(
      host,
      await StateStore.open(stateDirectory, warn),
      await ModuleCache.open(stateDirectory, warn),
    );
  }

  /** Keeps the bytes of an archive, and answers their digest at once. */
  keepArchive(bytes: Uint8Array): string {
    this.#kept = Promise.all([this.#kept, this.keep(bytes)]);
    return digestOf(bytes);
  }

  /** Keeps the bytes of a module that may have to come back. */
  async keep(bytes: Uint8Array): Promise<void> {
    await this.#modules.put(bytes).catch((error: unknown) => {
      this.#host.logger.warn(`a module is not kept for the next start: ${describe(error)}`);
    });
  }

  /**
   * Starts what the last process should have run, unless that is to be forgotten, but for what is `gone`
   * to another host. Of swaps that were `cut` off those run that stood. What cannot start is told, kept
   * and tried again.
   */
  async restore(
    remember: true | "fresh",
    gone: readonly GoneProvider[] = [],
    cut: readonly InterruptedSwap[] = [],
  ): Promise<void> {
    const kept = remember === "fresh" ? undefined : await this.#store.read(this.#name, version, readRemembered);
    const remembered = kept && afterSwaps(kept, cut);
    if (remembered) {
      const isGone = ({ reference, linkName }: GoneProvider) =>
        gone.some((each) => each.reference === reference && each.linkName === linkName);
      this.#missing = { ...remembered, providers: remembered.providers.filter((provider) => !isGone(provider)) };
      await this.#bringBack(firstWaitMs);
      const count = countOf(remembered);
      this.#host.logger.info(`${count - countOf(this.#missing)} of ${count} things that ran before run again`);
    }
    this.#restoring = false;
    if (remembered) this.#write();
    if (remembered) await this.#lead(cut);
  }

  /** What runs here now is on the disk when it resolves. */
  async flush(): Promise<void> {
    this.#write();
    await Promise.all([this.#written, this.#kept]);
  }

  /** How a provider would be started again, its archive being on the disk; undefined for what is another's, or an object. */
  async wantedOf(record: ProviderRecord): Promise<RememberedProvider | undefined> {
    await this.#kept;
    return this.#rememberedOf(record);
  }

  /** Resolves when all is on the disk; nothing is kept any more. */
  async close(): Promise<void> {
    this.#end();
    clearTimeout(this.#again);
    await Promise.all([this.#written, this.#kept]);
  }

  async #bringBack(waitMs: number): Promise<void> {
    const host = this.#host;
    const { actors, providers, links, configurations } = this.#missing;
    this.#missing = {
      configurations: await this.#failing(
        configurations,
        ({ name }) => `configuration ${name}`,
        ({ name, values }) => host.configurations.put(name, values),
      ),
      providers: await this.#failing(
        providers,
        ({ reference }) => reference,
        (provider) => this.#startProvider(provider),
      ),
      actors: await this.#failing(
        actors,
        ({ reference }) => reference,
        (actor) => this.#startActor(actor),
      ),
      links: await this.#failing(
        links,
        ({ actor, contractId, linkName }) => `the link ${linkName} of ${actor} for ${contractId}`,
        ({ actor, provider, ...options }) => host.link(actor, provider, options),
      ),
    };
    if (countOf(this.#missing) > 0 && host.state === "running")
      this.#again = setTimeout(() => void this.#tryAgain(Math.min(waitMs * 2, longestWaitMs)), waitMs).unref();
  }

  async #tryAgain(waitMs: number): Promise<void> {
    this.#restoring = true;
    await this.#bringBack(waitMs);
    this.#restoring = false;
    this.#write();
  }

  /** Those of `wanted` that do not come back now. */
  async #failing<T>(
    wanted: readonly T[],
    nameOf: (each: T) => string,
    start: (each: T) => Promise<unknown>,
  ): Promise<readonly T[]> {
    const failing: T[] = [];
    for (const each of wanted) {
      try {
        await start(each);
      } catch (error) {
        if (isLatticeError(error) && error.code === "ALREADY_RUNNING") continue;
        failing.push(each);
        const name = nameOf(each);
        const why = describe(error);
        if (this.#told.get(name) !== why)
          this.#host.logger.error(`${name} did not come back: ${why}; it is tried again`);
        this.#told.set(name, why);
      }
    }
    return failing;
  }

  async #startActor({ reference, digest, instances, annotations, env }: RememberedActor): Promise<void> {
    const kept = await this.#modules.get(digest);
    const { bytes, origin } = kept ? { bytes: kept, origin: reference } : await this.#host.fetch(reference);
    const module = await this.#host.load(bytes, origin);
    if (module.digest !== digest) this.#host.logger.warn(`${reference} is another module than before`);
    await this.#host.startActor(module, { instances, annotations, env, reference });
  }

  async #startProvider({ reference, digest, ...options }: RememberedProvider): Promise<void> {
    const kept = digest === undefined ? undefined : await this.#modules.get(digest);
    const archive = kept && this.#host.openArchive(kept, reference);
    await this.#host.startProvider(archive ?? reference, { reference, ...options });
  }

  /** Links that the lattice keeps, and that lead to one of a swap which did not stand, lead to the other one. */
  async #lead(cut: readonly InterruptedSwap[]): Promise<void> {
    const host = this.#host;
    for (const swap of cut) {
      for (const { spec } of linksAstray(host.wanted, swap)) {
        const { actor, linkName, values, config } = spec;
        const { key } = swap.providers![swap.stands];
        await host.link(actor, key, { linkName, values, ...(config ? { config } : {}) }).catch((error: unknown) => {
          host.logger.warn(`link "${linkName}" of ${actor} does not lead to ${swap.to} yet: ${describe(error)}`);
        });
      }
    }
  }

  #write(): void {
    if (this.#restoring || this.#host.state !== "running") return;
    this.#written = this.#store.write(this.#name, version, this.#now()).catch((error: unknown) => {
      this.#host.logger.warn(`what runs here is not kept for the next start: ${describe(error)}`);
    });
  }

  #rememberedOf(record: ProviderRecord): RememberedProvider | undefined {
    const { spec, annotations, reference } = record;
    const { id, source, linkName, config } = spec;
    const object = this.#host.fleet.objects.get(id);
    const digest = object && this.#host.archiveDigest(object);
    if (!isOwn(record) || (source.kind !== "builtin" && digest === undefined)) return undefined;
    return { reference, ...(digest === undefined ? {} : { digest }), linkName, config, annotations };
  }

  #now(): Remembered {
    const { wanted, member } = this.#host;
    const actors = [...wanted.placements.values()].filter(isOwn).map(({ spec, annotations, reference }) => ({
      reference,
      digest: spec.module.digest,
      instances: spec.limits.instances,
      annotations,
      env: spec.env,
    }));
    const providers = [...wanted.providers.values()].flatMap((record) => this.#rememberedOf(record) ?? []);
    const links = [...wanted.links.values()]
      .filter(({ spec }) => member === undefined && spec.placement === undefined)
      .map(({ spec: { actor, provider, contractId, linkName, values, config } }) => ({
        actor,
        provider,
        contractId,
        linkName,
        values,
        ...(config ? { config } : {}),
      }));
    const named = member === undefined ? this.#host.configurations.all : [];
    const configurations = named.map(({ name, values }) => ({ name, values }));
    const missing = this.#missing;
    return {
      actors: [...actors, ...missing.actors],
      providers: [...providers, ...missing.providers],
      links: [...links, ...missing.links],
      configurations: [...configurations, ...missing.configurations],
    };
  }
}

/** Nobody else's to start again. */
function isOwn({ annotations }: { readonly annotations: Texts }): boolean {
  return annotations[ownerAnnotation] === undefined;
}
