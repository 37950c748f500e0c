import type { LinkStatus } from "../capabilities/index.ts";
import { fail } from "../lattice/index.ts";
import type { GiveChange, LinkSpec, SwapChange } from "./engine-messages.ts";
import type { EngineOptions } from "./engine-options.ts";
import { InFlight } from "./in-flight.ts";
import { linkDeadline } from "./link-deadline.ts";
import type { ProviderSteps } from "./provider-steps.ts";
import { resolveSecrets, type SecretSources, withoutValues, withReferences } from "./secrets.ts";
import type { LinkRow, ProviderRow, Tables } from "./tables.ts";

/** The links of one engine. */
export class LinkKeeper {
  readonly #tables: Tables;
  readonly #steps: ProviderSteps;
  readonly #drainMs: number;
  readonly #secrets: SecretSources;

  constructor(tables: Tables, steps: ProviderSteps, { limits, secrets }: EngineOptions) {
    this.#tables = tables;
    this.#steps = steps;
    this.#drainMs = limits.drainMs;
    this.#secrets = secrets;
  }

  /** The provider, when it runs here, checks and opens first; the tables change only when it has. */
  async put(spec: LinkSpec): Promise<LinkStatus | undefined> {
    const provider = spec.providerId === undefined ? undefined : this.#tables.providers.get(spec.providerId);
    if (!provider && spec.providerId !== undefined) throw fail("PROVIDER_ABSENT", spec.provider);
    const held = this.#tables.links.get(spec.id);
    if (held && held.provider === provider && held.spec.revision >= spec.revision) return undefined;
    const row = this.#row(spec, provider, held);
    const status = provider && (await this.#open(provider, row));
    this.#tables.links.set(spec.id, row);
    this.#tables.linkChanged(spec.id);
    if (held && held.provider !== provider) await this.#close(held);
    return status;
  }

  /** The provider that shall take a link over checks and opens it; calls go where they went. */
  async stage(spec: LinkSpec): Promise<LinkStatus | undefined> {
    const provider = this.#tables.providers.get(spec.providerId ?? "");
    if (!provider) throw fail("PROVIDER_ABSENT", spec.provider);
    return await this.#open(provider, this.#row(spec, provider, undefined));
  }

  /** Links that an engine which came later has not staged are staged first; then all move in one step. */
  async swap({ from, to, links }: SwapChange): Promise<void> {
    const next = this.#tables.providers.get(to);
    if (!next) throw fail("PROVIDER_ABSENT", to);
    for (const link of links) if (!next.links.has(link.id)) await this.stage(link);
    next.listeners?.activate();
    for (const { id } of links) {
      const row = next.links.get(id)!;
      const held = this.#tables.links.get(id);
      if (held && held !== row) {
        row.calls += held.calls;
        row.errors += held.errors;
        held.calls = 0;
        held.errors = 0;
      }
      this.#tables.links.set(id, row);
      this.#tables.linkChanged(id);
    }
    const old = this.#tables.providers.get(from);
    if (old) this.#tables.formerKeys.renamed(old.spec, next.spec.key);
    this.#tables.takeBack(next.spec);
    this.release(from);
  }

  /** What the provider has opened stays open: it may have to serve again. */
  give({ from, to, links }: GiveChange): void {
    this.#tables.give(from, to);
    for (const spec of links) {
      const held = this.#tables.links.get(spec.id);
      this.#tables.links.set(spec.id, this.#row(spec, undefined, held));
      this.#tables.linkChanged(spec.id);
    }
    this.release(from.id);
  }

  release(id: string): void {
    const row = this.#tables.providers.get(id);
    const { hold } = row ?? {};
    if (row) row.hold = undefined;
    hold?.release();
  }

  #row(spec: LinkSpec, provider: ProviderRow | undefined, held: LinkRow | undefined): LinkRow {
    // Here alone, for the eyes of the provider: tables, events and inventory hold the references.
    const { sealed, ...plain } = spec;
    const values = provider?.provider ? resolveSecrets(spec.values, this.#secrets, sealed) : spec.values;
    return {
      spec,
      link: { ...plain, values, linkedActor: this.#tables.actor(spec.actor) },
      provider,
      deadlineMs: linkDeadline(spec),
      inFlight: new InFlight(),
      calls: held?.calls ?? 0,
      errors: held?.errors ?? 0,
    };
  }

  async #open(provider: ProviderRow, row: LinkRow): Promise<LinkStatus | undefined> {
    const { link, spec } = row;
    // It may call the actor from now on: its first request may come at once.
    const before = provider.links.get(link.id);
    provider.links.set(link.id, row);
    try {
      const status = await this.#steps.begin(provider, "putLink", () => provider.provider?.putLink?.(link));
      return status?.values
        ? { ...status, values: withReferences(status.values, spec.values, link.values) }
        : (status ?? undefined);
    } catch (error) {
      if (before) provider.links.set(link.id, before);
      else provider.links.delete(link.id);
      throw withoutValues(error, spec.values, link.values);
    }
  }

  /** No new call uses it; those in flight are waited for, then the provider closes what it opened. */
  async drop(id: string): Promise<void> {
    const row = this.#tables.links.get(id);
    if (!row) return;
    this.#tables.links.delete(id);
    this.#tables.linkChanged(id);
    await this.#close(row);
  }

  async #close(row: LinkRow): Promise<void> {
    const { provider, link, inFlight } = row;
    if (!provider) return;
    await this.#steps.end(provider, "drain", this.#drainMs, () => inFlight.idle());
    await this.#steps.end(provider, "deleteLink", this.#drainMs, () => provider.provider?.deleteLink?.(link));
    if (provider.links.get(link.id) === row) provider.links.delete(link.id);
  }
}
