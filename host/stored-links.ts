import { canonicalContract, contractAliases, fail, isPublicKey, linkId } from "../lattice/index.ts";

/** A link as the shared state keeps it. */
export interface StoredLink {
  readonly id: string;
  readonly actor: string;
  readonly provider: string;
  readonly contractId: string;
  readonly linkName: string;
  readonly values: Readonly<Record<string, string>>;
  /** The link name under which the provider runs, where it is another than the link's. */
  readonly providerLinkName?: string;
  /** Named configurations whose values come before its own, in this order. */
  readonly config?: readonly string[];
}

/** Named configurations of one link. */
export const mostConfigurations = 32;
/** Bounds of a link's values. Source: `LinkDefinition`. */
const mostValues = 256;
const mostBytes = 65_536;
const mostNameChars = 256;

const prefix = "LINKDEF_";

export function isLinkKey(key: string): boolean {
  return key.startsWith(prefix);
}

/** Source: lattice protocol reference, section 10. */
export function linkKey(id: string): string {
  return prefix + id;
}

/**
 * Identity of a link on every host: the same for all names of its contract.
 * Source: lattice protocol reference, section 10; the contract's name of choice is ours.
 */
export function identityOf({
  actor,
  contractId,
  linkName,
}: Pick<StoredLink, "actor" | "contractId" | "linkName">): string {
  return linkId({ actor, contractId: canonicalContract(contractId), linkName });
}

/** The keys under which others may have stored the same link: one for each name of its contract. */
export function keysOfLink({
  actor,
  contractId,
  linkName,
}: Pick<StoredLink, "actor" | "contractId" | "linkName">): string[] {
  return contractAliases(contractId).map((alias) => linkKey(linkId({ actor, contractId: alias, linkName })));
}

/**
 * The bytes of a stored link, as wasmCloud 0.x writes them; `provider_link_name` and `config_names` are ours, and only there when they matter.
 * Source: lattice protocol reference, section 10; captures of 0.82, section 6.
 */
export function writeLink({
  id,
  actor,
  provider,
  contractId,
  linkName,
  values,
  providerLinkName,
  config = [],
}: StoredLink): Uint8Array {
  const entry = {
    id,
    actor_id: actor,
    provider_id: provider,
    link_name: linkName,
    contract_id: contractId,
    values,
    ...(providerLinkName === undefined ? {} : { provider_link_name: providerLinkName }),
    ...(config.length === 0 ? {} : { config_names: config }),
  };
  return Buffer.from(JSON.stringify(entry));
}

/**
 * Reads what anybody may have written under `key`.
 * @throws LatticeError REQUEST_INVALID saying what is wrong with it; never its values.
 */
export function readLink(key: string, bytes: Uint8Array): StoredLink {
  const wrong = (why: string) => fail("REQUEST_INVALID", `the stored link ${key.slice(0, mostNameChars)}`, why);
  let entry: unknown;
  try {
    entry = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw wrong("it is no JSON");
  }
  if (typeof entry !== "object" || entry === null) throw wrong("it is no object");
  const fields = entry as Record<string, unknown>;
  const text = (name: string): string => {
    const value = fields[name];
    if (typeof value !== "string" || value === "" || value.length > mostNameChars)
      throw wrong(`${name} is no text of 1 to ${mostNameChars} characters`);
    return value;
  };
  const [actor, provider, contractId, linkName] = [
    text("actor_id"),
    text("provider_id"),
    text("contract_id"),
    text("link_name"),
  ];
  if (!isPublicKey(actor, "module")) throw wrong("actor_id is no key of an actor");
  const own = fields["provider_link_name"] === undefined ? undefined : text("provider_link_name");
  const config = fields["config_names"] === undefined ? undefined : namesOf(fields["config_names"]);
  if (config === null) throw wrong("config_names is no list of names");
  const values = textsOf(fields["values"]);
  if (!values) throw wrong("values is no object of texts");
  const link = {
    id: "",
    actor,
    provider,
    contractId,
    linkName,
    values,
    ...(own === undefined ? {} : { providerLinkName: own }),
    ...(config === undefined ? {} : { config }),
  };
  if (!keysOfLink(link).includes(key)) throw wrong("its key belongs to another link");
  const problem = sizeProblem(values);
  if (problem !== undefined) throw wrong(problem);
  return { ...link, id: identityOf(link) };
}

/** What is too much about a link's values: they are told to every engine and every host. */
export function sizeProblem(values: Readonly<Record<string, string>>): string | undefined {
  const entries = Object.entries(values);
  const size = entries.reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(value), 0);
  if (entries.length <= mostValues && size <= mostBytes) return undefined;
  return `${entries.length} entries of ${size} bytes; at most ${mostValues} entries and ${mostBytes} bytes in all`;
}

function namesOf(names: unknown): readonly string[] | null {
  const fits =
    Array.isArray(names) &&
    names.length <= mostConfigurations &&
    names.every((name) => typeof name === "string" && name.length <= mostNameChars);
  return fits ? (names as string[]) : null;
}

function textsOf(values: unknown): Record<string, string> | undefined {
  if (values === undefined || values === null) return {};
  if (typeof values !== "object" || Array.isArray(values)) return undefined;
  return Object.values(values).every((value) => typeof value === "string")
    ? (values as Record<string, string>)
    : undefined;
}
