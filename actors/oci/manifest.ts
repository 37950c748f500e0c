/** What stands behind a reference: one manifest, or an index of several. */
export type Manifest =
  | { readonly kind: "artifact"; readonly layers: readonly Descriptor[] }
  | { readonly kind: "index"; readonly manifests: readonly Descriptor[] };

/** Bytes in a registry. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  /** `wasm` of an index entry for guests, `unknown` of one that holds no program at all. */
  readonly architecture?: string;
}

/** What we ask for, in this order. */
export const manifestTypes: readonly string[] = [
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
];

/**
 * Layers that hold a module or an archive, as wasm-to-oci, wash and newer tools name them.
 * Source: waPC and actors reference, section 14.
 */
const moduleTypes: readonly string[] = [
  "application/vnd.module.wasm.content.layer.v1+wasm",
  "application/vnd.wasm.content.layer.v1+wasm",
  "application/wasm",
  "application/vnd.wasmcloud.provider.archive.layer.v1+par",
];

const maxEntries = 256;

/** Undefined when `text` is no manifest that we know, or has more than 256 entries. */
export function parseManifest(text: string): Manifest | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { layers, manifests } = value as { layers?: unknown; manifests?: unknown };
  const entries = descriptors(layers ?? manifests);
  if (entries === undefined) return undefined;
  return layers === undefined ? { kind: "index", manifests: entries } : { kind: "artifact", layers: entries };
}

/** The layer that is the module: the one of a known type, or the only one there is. */
export function moduleLayer(layers: readonly Descriptor[]): Descriptor | undefined {
  const known = layers.filter(({ mediaType }) => moduleTypes.includes(mediaType));
  const [found, ...others] = known.length > 0 ? known : layers;
  return others.length === 0 ? found : undefined;
}

/** Entries of an index worth a look, best first: those for wasm, then those of no machine, then the rest. */
export function candidates(manifests: readonly Descriptor[]): readonly Descriptor[] {
  const rank = ({ architecture }: Descriptor) => (architecture === "wasm" ? 0 : architecture === undefined ? 1 : 2);
  return manifests
    .filter(({ architecture, mediaType }) => architecture !== "unknown" && manifestTypes.includes(mediaType))
    .toSorted((a, b) => rank(a) - rank(b));
}

function descriptors(list: unknown): readonly Descriptor[] | undefined {
  if (!Array.isArray(list) || list.length > maxEntries) return undefined;
  const read = list.map(descriptor);
  return read.includes(undefined) ? undefined : (read as readonly Descriptor[]);
}

function descriptor(value: unknown): Descriptor | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { mediaType, digest, size, platform } = value as Record<string, unknown>;
  if (typeof mediaType !== "string" || typeof digest !== "string" || !Number.isSafeInteger(size)) return undefined;
  const { architecture } = (platform ?? {}) as { architecture?: unknown };
  return {
    mediaType,
    digest,
    size: size as number,
    ...(typeof architecture === "string" ? { architecture } : {}),
  };
}
