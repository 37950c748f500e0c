import {
  canonicalContract,
  contractAliases,
  contractOf,
  defaultLinkName,
  fail,
  isPublicKey,
} from "../lattice/index.ts";

/** A module that `run` was given, as far as planning needs it. */
export interface GivenModule {
  readonly name: string;
  readonly capabilities: readonly string[];
  /** A waSCC portable provider: it stands behind the contract that it claims. */
  readonly portable: boolean;
}

/** One of our own providers. */
export interface OwnProvider {
  readonly reference: string;
  readonly contractId: string;
  /** Whether it is the one meant when only the contract is named. */
  readonly isDefault: boolean;
}

export interface PlannedProvider {
  readonly contractId: string;
  readonly linkName: string;
  readonly source:
    | { readonly kind: "own"; readonly reference: string; readonly config: Readonly<Record<string, string>> }
    /** Index of the module. */
    | { readonly kind: "portable"; readonly module: number };
}

export interface PlannedLink {
  /** Indices of the module and the planned provider. */
  readonly module: number;
  readonly provider: number;
  readonly linkName: string;
  readonly values: Readonly<Record<string, string>>;
}

export interface RunPlan {
  readonly providers: readonly PlannedProvider[];
  /** HTTP last, so that nobody is let in before the rest stands. */
  readonly links: readonly PlannedLink[];
  readonly warnings: readonly string[];
}

/** `--set CONTRACT[/LINK]:key=value` */
export interface LinkValue {
  readonly contractId: string;
  readonly linkName: string;
  readonly key: string;
  readonly value: string;
}

export interface RunWishes {
  /** Where HTTP is served: the first actor takes this port, each next a free one. */
  readonly address: string;
  readonly port: number;
  /** Which key-value store stands behind the contract. */
  readonly keyvalue: { readonly reference: string; readonly config: Readonly<Record<string, string>> };
  readonly values: readonly LinkValue[];
}

const http = contractOf("httpserver");

/**
 * What `run` starts and links for these modules: for each contract that an actor claims the portable
 * provider among the modules, else our own default, else a warning.
 * @throws LatticeError USAGE for a link value whose contract nobody claims.
 */
export function planRun(modules: readonly GivenModule[], own: readonly OwnProvider[], wishes: RunWishes): RunPlan {
  const providers: PlannedProvider[] = [];
  const links: PlannedLink[] = [];
  const missing = new Map<string, string[]>();
  let portGiven = false;
  checkValues(wishes.values, modules);

  const provider = (contractId: string, linkName: string): number | undefined => {
    const known = providers.findIndex((one) => one.contractId === contractId && one.linkName === linkName);
    if (known >= 0) return known;
    const source = sourceOf(contractId, modules, own, wishes);
    return source === undefined ? undefined : providers.push({ contractId, linkName, source }) - 1;
  };

  for (const [at, module] of modules.entries()) {
    if (module.portable) continue;
    for (const contractId of contractsOf(module)) {
      for (const linkName of linkNames(contractId, wishes.values)) {
        const behind = provider(contractId, linkName);
        if (behind === undefined) {
          missing.set(contractId, [...(missing.get(contractId) ?? []), module.name]);
          continue;
        }
        const values = valuesFor(contractId, linkName, wishes.values);
        if (contractId === http && !["address", "port", "PORT"].some((key) => key in values)) {
          values.address = `${wishes.address}:${portGiven ? 0 : wishes.port}`;
          portGiven = true;
        }
        links.push({ module: at, provider: behind, linkName, values });
      }
    }
  }
  const isHttp = ({ provider: behind }: PlannedLink) => providers[behind]?.contractId === http;
  return {
    providers,
    links: [...links.filter((link) => !isHttp(link)), ...links.filter(isHttp)],
    warnings: [...missing].map(
      ([contractId, names]) =>
        `no provider here for ${contractId}, which ${[...new Set(names)].join(", ")} claims: its calls will fail`,
    ),
  };
}

function contractsOf({ capabilities }: GivenModule): string[] {
  // Actors of the first eras claim the actors they call by key.
  const contracts = capabilities.filter((id) => id !== "" && !isPublicKey(id)).map(canonicalContract);
  return [...new Set(contracts)];
}

function sourceOf(
  contractId: string,
  modules: readonly GivenModule[],
  own: readonly OwnProvider[],
  { keyvalue }: RunWishes,
): PlannedProvider["source"] | undefined {
  const module = modules.findIndex(
    ({ portable, capabilities }) => portable && capabilities.map(canonicalContract).includes(contractId),
  );
  if (module >= 0) return { kind: "portable", module };
  if (contractId === contractOf("keyvalue")) return { kind: "own", ...keyvalue };
  const found = own.find((one) => one.isDefault && canonicalContract(one.contractId) === contractId);
  return found && { kind: "own", reference: found.reference, config: {} };
}

function linkNames(contractId: string, values: readonly LinkValue[]): string[] {
  const named = values.filter((value) => value.contractId === contractId).map(({ linkName }) => linkName);
  return [...new Set([defaultLinkName, ...named])];
}

function valuesFor(contractId: string, linkName: string, values: readonly LinkValue[]): Record<string, string> {
  return Object.fromEntries(
    values
      .filter((value) => value.contractId === contractId && value.linkName === linkName)
      .map(({ key, value }) => [key, value]),
  );
}

function checkValues(values: readonly LinkValue[], modules: readonly GivenModule[]): void {
  const claimed = new Set(modules.flatMap(contractsOf));
  for (const { contractId } of values) {
    if (!claimed.has(contractId)) {
      throw fail(
        "USAGE",
        `--set names ${contractId}, which no module claims (claimed: ${[...claimed].join(", ") || "nothing"})`,
      );
    }
  }
}

/**
 * Reads `CONTRACT[/LINK]:key=value`. CONTRACT is an id of any era, or the last part of one: `keyvalue`.
 * @throws LatticeError USAGE.
 */
export function parseLinkValue(text: string): LinkValue {
  const [, path, key, value] = /^([^=]+):([^:=]+)=(.*)$/s.exec(text) ?? [];
  if (path === undefined || key === undefined || value === undefined) {
    throw fail(
      "USAGE",
      `--set is "${text}", it must be CONTRACT[/LINK]:KEY=VALUE, for example keyvalue:deadline=500ms`,
    );
  }
  const slash = path.indexOf("/");
  const contract = slash < 0 ? path : path.slice(0, slash);
  return {
    contractId: wholeContract(contract),
    linkName: slash < 0 ? defaultLinkName : path.slice(slash + 1),
    key,
    value,
  };
}

const shortNames = ["httpserver", "httpclient", "keyvalue", "messaging", "blobstore", "logging", "numbers"] as const;

function wholeContract(name: string): string {
  const short = shortNames.find(
    (one) => one === name || contractAliases(contractOf(one)).some((id) => id.endsWith(`:${name}`)),
  );
  return short === undefined || name.includes(":") ? canonicalContract(name) : contractOf(short);
}

/**
 * `--kv memory|sqlite:FILE|redis://...|nats` as a reference of ours and its settings.
 * @throws LatticeError PRECONDITION when this build has no such store.
 */
export function parseKeyvalue(text: string, own: readonly OwnProvider[]): RunWishes["keyvalue"] {
  const kind = /^(memory|sqlite|redis|rediss|nats)(?=:|$)/.exec(text)?.[1];
  // The text is not repeated: it may hold a password.
  if (kind === undefined) throw fail("USAGE", "--kv must be memory, sqlite:FILE, redis://HOST, nats or nats://HOST");
  const reference = `builtin:keyvalue-${kind === "rediss" ? "redis" : kind}`;
  if (!own.some((one) => one.reference === reference)) {
    throw fail("PRECONDITION", `this build has no key-value store for --kv ${kind}; use --kv memory`);
  }
  if (kind === "sqlite") {
    const path = text.slice("sqlite:".length);
    if (path === "") throw fail("USAGE", "--kv sqlite needs a file: sqlite:FILE");
    return { reference, config: { path } };
  }
  return { reference, config: kind === "memory" || text === kind ? {} : { url: text } };
}
