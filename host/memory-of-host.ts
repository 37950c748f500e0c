import { describe, isLatticeError } from "../lattice/index.ts";
import type { Host } from "./host.ts";
import { digestOf, ModuleCache } from "./module-cache.ts";
import { StateStore } from "./state-store.ts";

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
export class MemoryOfHost {
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
   * to another host. What cannot start is told, kept and tried again.
   */
  async restore(remember: true | "fresh", gone: readonly GoneProvider[] = []): Promise<void> {
    const remembered = remember === "fresh" ? undefined : await this.#store.read(this.#name, version, readRemembered);
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

  #write(): void {
    if (this.#restoring || this.#host.state !== "running") return;
    this.#written = this.#store.write(this.#name, version, this.#now()).catch((error: unknown) => {
      this.#host.logger.warn(`what runs here is not kept for the next start: ${describe(error)}`);
    });
  }

  #now(): Remembered {
    const { wanted, member } = this.#host;
    const own = ({ annotations }: { annotations: Texts }): boolean => annotations[ownerAnnotation] === undefined;
    const actors = [...wanted.placements.values()].filter(own).map(({ spec, annotations, reference }) => ({
      reference,
      digest: spec.module.digest,
      instances: spec.limits.instances,
      annotations,
      env: spec.env,
    }));
    const providers = [...wanted.providers.values()].filter(own).flatMap(({ spec, annotations, reference }) => {
      const { id, source, linkName, config } = spec;
      const object = this.#host.fleet.objects.get(id);
      const digest = object && this.#host.archiveDigest(object);
      if (source.kind !== "builtin" && digest === undefined) return [];
      return [{ reference, ...(digest === undefined ? {} : { digest }), linkName, config, annotations }];
    });
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
