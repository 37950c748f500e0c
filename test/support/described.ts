import { findVerb, type Host, type Inventory, verbsOf } from "../../host/index.ts";

/** What `describe` answers of a provider. */
export interface DescribedProvider {
  readonly provider: Inventory["providers"][number];
  readonly swaps?: readonly {
    readonly from: string;
    readonly to: string;
    readonly state: string;
    readonly reason?: string;
  }[];
}

/** Asks the verb `describe` of a provider. */
export async function describeOf(host: Host, target: string): Promise<DescribedProvider> {
  const { signal } = new AbortController();
  return (await findVerb(verbsOf(host), "describe").run({ target }, { signal })) as DescribedProvider;
}
