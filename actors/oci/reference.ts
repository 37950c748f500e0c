import { fail } from "../../lattice/index.ts";

/** An artifact in a registry: `host[:port]/repository[:tag][@digest]`. */
export interface OciReference {
  /** Host with port, as written, for example `ghcr.io` or `localhost:5000`. */
  readonly registry: string;
  readonly repository: string;
  /** `latest` when neither tag nor digest was written. */
  readonly tag: string | undefined;
  /** `sha256:` or `sha512:` and lower-case hex; it wins over the tag. */
  readonly digest: string | undefined;
  /** All of it in one form, without `oci://`: what messages and inventories show. */
  readonly text: string;
}

const scheme = "oci://";
const component = String.raw`[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*`;
const repositoryPattern = new RegExp(`^${component}(?:/${component})*$`);
const tagPattern = /^\w[\w.-]{0,127}$/;
const digestPattern = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;
/** The first part names a registry when it has a dot or a port, as in all tools; so `folder/x` does not. */
const registryPattern = /^(?:localhost|[\w-]+(?:\.[\w-]+)+|\[[0-9a-fA-F:]+\](?=:\d)|[\w-]+(?=:\d))(?::\d{1,5})?$/;

/**
 * Whether `text` means an artifact rather than a file: it says `oci://`, or starts with a registry and
 * carries a tag or a digest. `./a/b:1` and `/a/b:1` stay files.
 */
export function isOciReference(text: string): boolean {
  if (text.startsWith(scheme)) return true;
  const [registry = "", ...rest] = text.split("/");
  const last = rest.at(-1) ?? "";
  return registryPattern.test(registry) && rest.length > 0 && /[:@]/.test(last);
}

/** Looks like one that lacks its tag: `ghcr.io/x/echo`. A file of that name goes first. */
export function isBareOciReference(text: string): boolean {
  const [registry = "", ...rest] = text.split("/");
  return registryPattern.test(registry) && repositoryPattern.test(rest.join("/")) && !/\.(wasm|par|gz)$/.test(text);
}

/** @throws LatticeError OCI_REFERENCE_INVALID saying which part is wrong. */
export function parseOciReference(text: string): OciReference {
  const plain = text.startsWith(scheme) ? text.slice(scheme.length) : text;
  const wrong = (why: string) => fail("OCI_REFERENCE_INVALID", text, why);
  if (plain.length > 512) throw wrong("it is longer than 512 characters");
  const slash = plain.indexOf("/");
  const registry = slash < 0 ? "" : plain.slice(0, slash);
  if (!registryPattern.test(registry) || !URL.canParse(`https://${registry}`))
    throw wrong("it begins with no registry (host or host:port)");
  const at = plain.indexOf("@", slash);
  const digest = at < 0 ? undefined : plain.slice(at + 1);
  const path = plain.slice(slash + 1, at < 0 ? undefined : at);
  const colon = path.lastIndexOf(":");
  const tag = colon < 0 ? undefined : path.slice(colon + 1);
  const repository = colon < 0 ? path : path.slice(0, colon);
  if (!repositoryPattern.test(repository)) throw wrong("repositories are lower-case letters, digits and - _ . /");
  if (tag !== undefined && !tagPattern.test(tag)) throw wrong("the tag has other letters than A-Z a-z 0-9 _ . -");
  if (digest !== undefined && !digestPattern.test(digest))
    throw wrong("the digest is not sha256: and 64 hexadecimal digits");
  const shown = tag ?? (digest === undefined ? "latest" : undefined);
  return {
    registry,
    repository,
    tag: shown,
    digest,
    text: `${registry}/${repository}${shown === undefined ? "" : `:${shown}`}${digest === undefined ? "" : `@${digest}`}`,
  };
}
