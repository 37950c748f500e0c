export type Texts = Readonly<Record<string, string>>;

export interface RememberedActor {
  readonly reference: string;
  /** Of the signed file, so that the same module comes back, whatever its reference means by then. */
  readonly digest: string;
  readonly instances: number;
  readonly annotations: Texts;
  readonly env: Texts;
}

export interface RememberedProvider {
  readonly reference: string;
  /** Of the signed archive; absent of those that come with the host. */
  readonly digest?: string;
  readonly linkName: string;
  readonly config: Texts;
  readonly annotations: Texts;
}

/** One that went to another host by a swap which was cut off with the last process. */
export type GoneProvider = Pick<RememberedProvider, "reference" | "linkName">;

/** Only of a host that stands alone; a lattice keeps its links itself. */
interface RememberedLink {
  readonly actor: string;
  readonly provider: string;
  readonly contractId: string;
  readonly linkName: string;
  readonly values: Texts;
  readonly config?: readonly string[];
}

interface RememberedConfiguration {
  readonly name: string;
  readonly values: Texts;
}

/** What a host should run, as its state file has it. */
export interface Remembered {
  readonly actors: readonly RememberedActor[];
  readonly providers: readonly RememberedProvider[];
  readonly links: readonly RememberedLink[];
  /** As links: only of a host that stands alone. */
  readonly configurations: readonly RememberedConfiguration[];
}

export const nothingRemembered: Remembered = { actors: [], providers: [], links: [], configurations: [] };

/** What runs; configurations only serve it. */
export function countOf({ actors, providers, links }: Remembered): number {
  return actors.length + providers.length + links.length;
}

/** The file is sealed by its digest, so only its outline is looked at. */
export function readRemembered(value: unknown): Remembered {
  const { actors, providers, links, configurations = [] } = (value ?? {}) as Partial<Remembered>;
  if (!Array.isArray(actors) || !Array.isArray(providers) || !Array.isArray(links) || !Array.isArray(configurations))
    throw new Error("it does not list actors, providers, links and configurations");
  return { actors, providers, links, configurations };
}
