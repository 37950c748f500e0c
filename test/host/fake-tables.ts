import type { CallSite, Pool, Waiter, PreparedModule } from "../../actors/index.ts";
import type { Provider } from "../../capabilities/index.ts";
import { InFlight } from "../../host/in-flight.ts";
import type { LinkRow, PlacementRow, ProviderRow } from "../../host/tables.ts";
import { providerRow, Tables } from "../../host/tables.ts";
import { canonicalContract, type Era, type Invocation, linkId } from "../../lattice/index.ts";

/** Tables of one engine with actors and providers that are plain functions: dispatch without guests. */
export class FakeWorld {
  readonly tables = new Tables(-1);
  #next = 1;

  /** An actor that answers with `answer`; `claims` are contracts and keys. */
  actor(
    options: {
      key: string;
      name: string;
      claims?: string[];
      era?: Era;
      alias?: string;
      issuer?: string;
      portable?: boolean;
    },
    answer: (call: Invocation) => Uint8Array | Promise<Uint8Array> = () => new Uint8Array(),
  ): PlacementRow {
    const { key, name, claims = [], era = "E4", alias, issuer = "A", portable = false } = options;
    const module = {
      key,
      era,
      language: "rust",
      origin: name,
      claims: { name, key, issuer, capabilities: claims, tags: [], callAlias: alias, portableProvider: portable },
    } as unknown as PreparedModule;
    const id = `placement-${name}-${this.#next++}`;
    const row: PlacementRow = {
      spec: { id, since: this.#next, module, limits: {} as never, env: {}, places: [-1] },
      pool: fakePool(answer),
      claims: new Set(claims.flatMap((each) => [each, canonicalContract(each)])),
      origin: { kind: "actor", key, name, placement: id, era },
      linkedActor: Object.assign(this.tables.actor(key), { name, era }),
      expired: false,
      draining: false,
    };
    this.tables.placements.set(id, row);
    this.tables.changed();
    return row;
  }

  provider(
    provider: Provider,
    linkName = "default",
    source: ProviderRow["spec"]["source"] = { kind: "object" },
  ): ProviderRow {
    const { name, contractId } = provider;
    const id = `provider-${name}`;
    const row = providerRow(
      { id, key: `V-${name}`, name, contractId, linkName, config: {}, source, places: [-1] },
      provider,
    );
    this.tables.providers.set(row.spec.id, row);
    this.tables.changed();
    return row;
  }

  link(actor: PlacementRow, provider: ProviderRow, deadlineMs = 0): LinkRow {
    const { contractId, linkName, key, id: providerId } = provider.spec;
    const parts = { actor: actor.spec.module.key, contractId, linkName };
    const spec = { ...parts, id: linkId(parts), provider: key, providerId, values: {}, revision: 1 };
    const row: LinkRow = {
      spec,
      link: { ...spec, linkedActor: actor.linkedActor },
      provider,
      deadlineMs,
      inFlight: new InFlight(),
      calls: 0,
      errors: 0,
    };
    this.tables.links.set(spec.id, row);
    this.tables.changed();
    return row;
  }
}

export function site(namespace: string, operation: string, binding = "default"): CallSite {
  return { binding, namespace, operation, route: undefined, epoch: 0 };
}

/** What dispatch uses of a pool. */
function fakePool(answer: (call: Invocation) => Uint8Array | Promise<Uint8Array>): Pool {
  const call = async (invocation: Invocation) => answer(invocation);
  const submit = (invocation: Invocation, { answered, failed }: Waiter) => void call(invocation).then(answered, failed);
  return { call, submit, pressure: 0 } as unknown as Pool;
}
