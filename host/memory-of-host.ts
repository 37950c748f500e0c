import { describe } from "../lattice/index.ts";
import type { Host } from "./host.ts";
import { ModuleCache } from "./module-cache.ts";
import { StateStore } from "./state-store.ts";

type Texts = Readonly<Record<string, string>>;

interface RememberedActor {
  readonly reference: string;
  /** Of the signed file, so that the same module comes back, whatever its reference means by then. */
  readonly digest: string;
  readonly instances: number;
  readonly annotations: Texts;
  readonly env: Texts;
}

interface RememberedProvider {
  readonly reference: string;
  readonly linkName: string;
  readonly config: Texts;
  readonly annotations: Texts;
}

/** Only of a host that stands alone; a lattice keeps its links itself. */
interface RememberedLink {
  readonly actor: string;
  readonly provider: string;
  readonly contractId: string;
  readonly linkName: string;
  readonly values: Texts;
  readonly config?: readonly string[];
}

interface Remembered {
  readonly actors: readonly RememberedActor[];
  readonly providers: readonly RememberedProvider[];
  readonly links: readonly RememberedLink[];
  /** As links: only of a host that stands alone. */
  readonly configurations?: Readonly<Record<string, Texts>>;
}

const version = 1;
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
  #restoring = false;

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

  /** Keeps the bytes of a module that may have to come back. */
  async keep(bytes: Uint8Array): Promise<void> {
    await this.#modules.put(bytes).catch((error: unknown) => {
      this.#host.logger.warn(`a module is not kept for the next start: ${describe(error)}`);
    });
  }

  /** Starts what the last process should have run. What cannot start is told and kept for the next time. */
  async restore(): Promise<void> {
    const remembered = await this.#store.read(this.#name, version, read);
    if (!remembered) return;
    this.#restoring = true;
    let failed = 0;
    const attempt = async (what: string, work: () => Promise<unknown>): Promise<void> => {
      try {
        await work();
      } catch (error) {
        failed++;
        this.#host.logger.error(`${what} did not come back: ${describe(error)}`);
      }
    };
    const { actors, providers, links, configurations = {} } = remembered;
    for (const [name, values] of Object.entries(configurations))
      await attempt(`configuration ${name}`, () => this.#host.configurations.put(name, values));
    for (const { reference, ...options } of providers)
      await attempt(reference, () => this.#host.startProvider(reference, options));
    for (const actor of actors) await attempt(actor.reference, () => this.#startActor(actor));
    for (const { actor, provider, ...options } of links)
      await attempt(`link of ${actor}`, () => this.#host.link(actor, provider, options));
    this.#restoring = false;
    const count = actors.length + providers.length + links.length;
    this.#host.logger.info(`${count - failed} of ${count} things that ran before run again`);
    if (failed === 0) this.#write();
  }

  /** Resolves when all is on the disk; nothing is kept any more. */
  async close(): Promise<void> {
    this.#end();
    await this.#written;
  }

  async #startActor({ reference, digest, instances, annotations, env }: RememberedActor): Promise<void> {
    const kept = await this.#modules.get(digest);
    const { bytes, origin } = kept ? { bytes: kept, origin: reference } : await this.#host.fetch(reference);
    const module = await this.#host.load(bytes, origin);
    if (module.digest !== digest) this.#host.logger.warn(`${reference} is another module than before`);
    await this.#host.startActor(module, { instances, annotations, env, reference });
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
    const providers = [...wanted.providers.values()]
      .filter((record) => own(record) && record.spec.source.kind === "builtin")
      .map(({ spec, annotations, reference }) => ({
        reference,
        linkName: spec.linkName,
        config: spec.config,
        annotations,
      }));
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
    const configurations = Object.fromEntries(named.map(({ name, values }) => [name, values]));
    return { actors, providers, links, configurations };
  }
}

/** The file is sealed by its digest, so only its outline is looked at. */
function read(value: unknown): Remembered {
  const { actors, providers, links, configurations = {} } = (value ?? {}) as Partial<Remembered>;
  if (!Array.isArray(actors) || !Array.isArray(providers) || !Array.isArray(links))
    throw new Error("it does not list actors, providers and links");
  return { actors, providers, links, configurations };
}
