import { tmpdir } from "node:os";
import { isAbsolute, join, relative, resolve } from "node:path";
import { describe, fail } from "../../lattice/index.ts";
import { blobstoreProvider } from "../blobstore/provider.ts";
import type { Link, Provider } from "../provider.ts";
import { FileBlobStore, prepareRoot } from "./store.ts";

export interface FileBlobstoreOptions {
  /** Folder of the objects; a link may choose one within it. Default: one of its own in the system's temporary folder. */
  readonly root?: string;
  /** Largest object in bytes. Default 1 GiB. */
  readonly objectBytes?: number;
}

/** Objects in files. Link value `ROOT` (or `root`): a folder within the provider's own. */
export function fileBlobstore({ root, objectBytes = 2 ** 30 }: FileBlobstoreOptions = {}): Provider {
  if (!(objectBytes >= 1)) throw fail("OPTION_OUT_OF_RANGE", "objectBytes", objectBytes, "at least 1");
  const base = resolve(root ?? join(tmpdir(), "wasmlattice-blobstore"));
  const stores = new Map<string, FileBlobStore>();
  const storeOf = (link: Link) => {
    const folder = folderOf(base, link, root !== undefined);
    let store = stores.get(folder);
    if (!store) stores.set(folder, (store = new FileBlobStore(folder, { objectBytes })));
    return store;
  };
  const provider = blobstoreProvider({ name: "blob store in files", storeOf });
  const putLink = provider.putLink!.bind(provider);
  return Object.assign(provider, {
    putLink: async (link: Link) => {
      const folder = folderOf(base, link, root !== undefined);
      if (!stores.has(folder)) {
        await prepareRoot(folder).catch((error: unknown) => {
          throw fail("LINK_VALUES_INVALID", "the blob store in files", `ROOT ${folder}: ${describe(error)}`);
        });
      }
      await putLink(link);
    },
  });
}

/** Where no root was given to the provider, a link may name any absolute folder, as the real one allows. */
function folderOf(base: string, { values }: Link, bound: boolean): string {
  const wanted = values["ROOT"] ?? values["root"];
  if (wanted === undefined) return base;
  const folder = resolve(base, wanted);
  const way = relative(base, folder);
  const within = !way.startsWith("..") && !isAbsolute(way);
  if (within || (!bound && isAbsolute(wanted))) return folder;
  throw fail("LINK_VALUES_INVALID", "the blob store in files", `ROOT ${wanted} leads out of the provider's folder`);
}
