import { isDeepStrictEqual } from "node:util";
import { actorLogging, findBuiltin, numberGenerator, type Provider } from "../capabilities/index.ts";
import { contractOf, fail } from "../lattice/index.ts";
import { BuiltinChild } from "./children/builtin-child.ts";
import type { ProviderSpec, ProviderStats } from "./engine-messages.ts";
import type { EngineOptions } from "./engine-options.ts";
import type { PlacementKeeper } from "./placement-keeper.ts";
import { portableProvider } from "./portable-provider.ts";
import { type CallsActors, contextOf } from "./provider-context.ts";
import { healthOf } from "./provider-desk.ts";
import { canRestart, ProviderHealth } from "./provider-health.ts";
import { ProviderListeners } from "./provider-listeners.ts";
import type { ProviderSteps } from "./provider-steps.ts";
import { resolveSecrets, withoutValues } from "./secrets.ts";
import { forgetStalls, watchStalls } from "./stalls/watched-provider.ts";
import { type ProviderRow, providerRow, type Tables } from "./tables.ts";

/** The providers of one engine, the host's own services among them, from start to stop. */
export class ProviderKeeper {
  readonly #options: EngineOptions;
  readonly #engine: CallsActors;
  readonly #tables: Tables;
  readonly #placements: PlacementKeeper;
  readonly #steps: ProviderSteps;
  readonly #health: ProviderHealth;
  #stopped = false;

  constructor(options: EngineOptions, engine: CallsActors, placements: PlacementKeeper, steps: ProviderSteps) {
    this.#options = options;
    this.#engine = engine;
    this.#tables = engine.tables;
    this.#placements = placements;
    this.#steps = steps;
    this.#health = new ProviderHealth(
      this.#tables,
      options.limits.healthMs,
      (row) => this.#restart(row),
      options.onNews,
    );
    this.#hostService("logging", actorLogging());
    this.#hostService("numbers", numberGenerator());
  }

  async put(spec: ProviderSpec, staged = false): Promise<void> {
    const here = spec.places.includes(this.#options.place);
    const config = here ? this.#settings(spec) : spec.config;
    const row = providerRow(spec, here ? this.#make(spec, config) : undefined, config);
    row.listeners = new ProviderListeners(this.#engine.listeners, staged);
    watchStalls(row, this.#options);
    try {
      await this.#start(row);
      if (this.#stopped) throw fail("STOPPED", "the host");
    } catch (error) {
      await this.#end(row, this.#options.limits.drainMs);
      forgetStalls(row);
      throw withoutValues(error, spec.config, config);
    }
    this.#tables.providers.set(spec.id, row);
    if (!staged) this.#tables.takeBack(spec);
    this.#tables.changed();
    this.#health.watch(row);
  }

  /**
   * Where a secret of its settings has changed, it is restarted with it. Nobody calls it meanwhile: new calls are
   * held, those under way end first, within `drainMs`. What cannot start with the new one goes on with the old.
   */
  async renew(spec: ProviderSpec): Promise<void> {
    const row = this.#tables.providers.get(spec.id);
    if (!row?.provider) return;
    const config = this.#settings(spec);
    if (isDeepStrictEqual(config, row.config)) return;
    if (!canRestart(row)) {
      this.#options.onReport(
        "warn",
        `a secret in the settings of ${spec.name} has changed: it cannot be restarted, so swap it or start it anew`,
      );
      return;
    }
    await this.#steps.end(row, "drain", this.#options.limits.drainMs, () => row.inFlight.idle());
    await this.#restart(row, config);
    row.restarts++;
    this.#options.onNews({ id: spec.id, news: "restarted", reason: "a secret in its settings has changed" });
  }

  /** Lets it finish what it holds, closes its links, stops it; each within `drainMs`, whatever it does. */
  async drop(id: string, drainMs: number): Promise<void> {
    const row = this.#tables.providers.get(id);
    if (!row) return;
    row.draining = true;
    this.#health.forget(row);
    await this.#drain(row, drainMs);
    const links = [...row.links.values()];
    await Promise.all(
      links.map(({ link }) => this.#steps.end(row, "deleteLink", drainMs, () => row.provider?.deleteLink?.(link))),
    );
    // A link that moved to another provider meanwhile is that one's; the others wait for theirs to come back.
    for (const [link, held] of this.#tables.links) {
      if (held.provider !== row) continue;
      this.#tables.links.set(link, { ...held, spec: { ...held.spec, providerId: undefined }, provider: undefined });
    }
    row.links.clear();
    this.#tables.providers.delete(id);
    this.#tables.changed();
    await this.#end(row, drainMs);
    forgetStalls(row);
  }

  /** It stays, with its links; what is asked of it is refused. */
  async drain(id: string, drainMs: number): Promise<void> {
    const row = this.#tables.providers.get(id);
    if (!row) return;
    row.draining = true;
    await this.#drain(row, drainMs);
  }

  async drainAll(deadlineMs: number): Promise<void> {
    await Promise.all([...this.#tables.providers.values()].map((row) => this.#drain(row, deadlineMs)));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#health.stop();
    const rows = [...this.#tables.providers.values(), ...this.#tables.hostServices.values()];
    await Promise.all(rows.map((row) => this.#end(row, this.#options.limits.drainMs)));
    for (const row of rows) forgetStalls(row);
  }

  /** What runs here, and how it does. One that is down is not asked again for that. */
  async stats(): Promise<ProviderStats[]> {
    const rows = [...this.#tables.providers.values()].filter(({ provider }) => provider);
    return Promise.all(
      rows.map(async (row) => {
        const { healthy, message } =
          row.down === undefined ? await healthOf(row) : { healthy: false, message: row.down };
        const { spec, restarts, calls, watch, inFlight } = row;
        const state = row.draining ? "draining" : row.down === undefined ? "running" : "down";
        return {
          id: spec.id,
          state,
          healthy,
          message,
          restarts,
          calls,
          faults: watch.faults,
          inFlight: inFlight.count,
        };
      }),
    );
  }

  async #start(row: ProviderRow): Promise<void> {
    const { provider } = row;
    if (provider?.start)
      await this.#steps.begin(row, "start", () => provider.start?.(contextOf(this.#engine, row, this.#options)));
  }

  /** Another instance, or the same one started again, takes over in one step once its links are open. */
  async #restart(row: ProviderRow, config = row.config): Promise<void> {
    const { provider: before, abort, spec, links } = row;
    const { drainMs } = this.#options.limits;
    const same = spec.source.kind === "object";
    if (same) await this.#end(row, drainMs);
    const fresh = same ? before : this.#make(spec, config);
    row.abort = new AbortController();
    try {
      const context = contextOf(this.#engine, row, this.#options, config);
      await this.#steps.begin(row, "start", () => fresh?.start?.(context));
      for (const { link } of links.values()) await this.#steps.begin(row, "putLink", () => fresh?.putLink?.(link));
    } catch (error) {
      if (!same) {
        await this.#steps.end(row, "stop", drainMs, () => fresh?.stop?.());
        row.abort = abort;
      }
      throw withoutValues(error, spec.config, config);
    }
    row.provider = fresh;
    row.config = config;
    abort.abort();
    if (!same) await this.#steps.end(row, "stop", drainMs, () => before?.stop?.());
  }

  #drain(row: ProviderRow, ms: number): Promise<void> {
    return this.#steps.end(row, "drain", ms, () => Promise.all([row.provider?.drain?.(), row.inFlight.idle()]));
  }

  async #end(row: ProviderRow, ms: number): Promise<void> {
    row.abort.abort();
    await this.#steps.end(row, "stop", ms, () => row.provider?.stop?.());
  }

  /** For the eyes of the provider alone: tables, events and inventory hold the references. */
  #settings({ config, sealed }: ProviderSpec): ProviderRow["config"] {
    return resolveSecrets(config, this.#options.secrets, sealed);
  }

  #make(spec: ProviderSpec, config: ProviderRow["config"]): Provider {
    const { source } = spec;
    switch (source.kind) {
      case "builtin": {
        const builtin = findBuiltin(source.reference);
        if (!builtin) throw fail("PROVIDER_ABSENT", source.reference);
        try {
          return builtin.inChild ? new BuiltinChild(builtin, config) : builtin.create(config);
        } catch (error) {
          throw withoutValues(error, spec.config, config);
        }
      }
      case "object": {
        const provider = this.#options.objects.get(spec.id);
        if (!provider) throw fail("PROVIDER_ABSENT", spec.name);
        return provider;
      }
      case "portable": {
        const provider = portableProvider(spec, (call) => this.#placements.call(source.placement, call));
        this.#placements.introduceBy(source.placement, provider.introduce);
        return provider;
      }
      default:
        return source satisfies never;
    }
  }

  #hostService(capability: "logging" | "numbers", provider: Provider): void {
    const contractId = contractOf(capability);
    const { name, key = "" } = provider;
    const places = [this.#options.place];
    const row = providerRow(
      {
        id: `host:${capability}`,
        key,
        name,
        contractId,
        linkName: "default",
        config: {},
        source: { kind: "object" },
        places,
      },
      provider,
    );
    this.#tables.hostServices.set(contractId, row);
    void this.#start(row);
  }
}
