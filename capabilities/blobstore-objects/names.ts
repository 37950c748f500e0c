import { fail } from "../../lattice/index.ts";

/** Longest name of an object in a store of the lattice, in characters. */
const longest = 512;

/**
 * What a container and an object in it are called in the store: both escaped as in URLs, a slash
 * between; the container itself is the empty object.
 * @throws LatticeError PAYLOAD_TOO_LARGE
 */
export function blobName(container: string, id: string): string {
  const name = prefixOf(container) + encodeURIComponent(id.toWellFormed());
  if (name.length > longest)
    throw fail("PAYLOAD_TOO_LARGE", `the name ${container}/${id}`.slice(0, 60), name.length, longest);
  return name;
}

/** What the names of all objects in a container begin with. */
export function prefixOf(container: string): string {
  return `${encodeURIComponent(container.toWellFormed())}/`;
}

/** The container and object of a name that we gave; undefined for one of somebody else. */
export function readBlobName(name: string): { readonly container: string; readonly id: string } | undefined {
  const parts = name.split("/");
  const [container = "", id = ""] = parts;
  if (parts.length !== 2 || container === "") return undefined;
  try {
    return { container: decodeURIComponent(container), id: decodeURIComponent(id) };
  } catch {
    return undefined;
  }
}
