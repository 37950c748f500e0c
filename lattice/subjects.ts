import { fail } from "./errors.ts";

/**
 * Every subject of the lattice in one table, written and parsed by the same rows, so that nobody tests
 * a subject with `endsWith`. `{name}` stands for one token, `{name...}` at the end for one or more.
 * Source: lattice protocol reference, sections 2 and 6; those of `wasmlattice.` are ours.
 */
const templates = {
  /** Queue group: the subject itself. */
  actorRpc: "wasmbus.rpc.{lattice}.{actor}",
  /** Queue group `rpc`. */
  providerRpc: "wasmbus.rpc.{lattice}.{provider}.{linkName}",
  providerPutLink: "wasmbus.rpc.{lattice}.{provider}.{linkName}.linkdefs.put",
  providerDeleteLink: "wasmbus.rpc.{lattice}.{provider}.{linkName}.linkdefs.del",
  providerHealth: "wasmbus.rpc.{lattice}.{provider}.{linkName}.health",
  providerShutdown: "wasmbus.rpc.{lattice}.{provider}.{linkName}.shutdown",
  events: "wasmbus.evt.{lattice}",
  event: "wasmbus.evt.{lattice}.{event}",
  invocationEvents: "wasmbus.rpcevt.{lattice}",
  configService: "wasmbus.cfg.{lattice}.req",
  metadata: "$KV.LATTICEDATA_{lattice}.{key...}",
  configuration: "$KV.CONFIGDATA_{lattice}.{key...}",
  pingHosts: "{control}.{lattice}.ping.hosts",
  getInventory: "{control}.{lattice}.get.{host}.inv",
  getClaims: "{control}.{lattice}.get.claims",
  getLinks: "{control}.{lattice}.get.links",
  putLink: "{control}.{lattice}.linkdefs.put",
  deleteLink: "{control}.{lattice}.linkdefs.del",
  putRegistries: "{control}.{lattice}.registries.put",
  auctionActor: "{control}.{lattice}.auction.actor",
  auctionProvider: "{control}.{lattice}.auction.provider",
  /** `la`, `scale`, `sa`, `upd`, `lp`, `sp`, `stop`; others are answered "unsupported subject". */
  command: "{control}.{lattice}.cmd.{host}.{command}",
  putLabel: "{control}.{lattice}.labels.{host}.put",
  deleteLabel: "{control}.{lattice}.labels.{host}.del",
  putConfig: "{control}.{lattice}.config.put.{entity}.{name}",
  deleteConfig: "{control}.{lattice}.config.del.{entity}.{name}",
  /** What clients send when they mean `clearConfig`. */
  deleteAllConfig: "{control}.{lattice}.config.del.{entity}",
  clearConfig: "{control}.{lattice}.config.clear.{entity}",
  getConfig: "{control}.{lattice}.get.config.{entity}.{name}",
  getAllConfig: "{control}.{lattice}.get.config.{entity}",
  /** Ours: a call directed to one engine of one host; place `c` is the caller's thread. */
  directed: "wasmlattice.rpc.{lattice}.{host}.{place}",
  /** Ours: a verb of one host; verbs have dots. */
  verb: "wasmlattice.ctl.{lattice}.{host}.{verb...}",
  presence: "wasmlattice.presence.{lattice}",
  askPresence: "wasmlattice.presence.{lattice}.ask",
} as const;

export type SubjectKind = keyof typeof templates;
export const subjectKinds = Object.keys(templates) as readonly SubjectKind[];

type Holes<T extends string> = T extends `${string}{${infer Hole}}${infer Rest}`
  ? (Hole extends `${infer Name}...` ? Name : Hole) | Holes<Rest>
  : never;

/** What the subject of a kind says beside its lattice: `{ provider, linkName }`. */
export type SubjectParts<K extends SubjectKind> = {
  readonly [Hole in Exclude<Holes<(typeof templates)[K]>, "lattice" | "control">]: string;
};

/** A subject read back: its kind, lattice and parts. */
export type ParsedSubject = {
  [K in SubjectKind]: { readonly kind: K; readonly lattice: string } & SubjectParts<K>;
}[SubjectKind];

export const defaultControlPrefix = "wasmbus.ctl";

/** Names of lattices and links stand in subjects as one token; dots and blanks would break them. */
const name = /^[A-Za-z0-9_-]+$/;
const maxNameLength = 128;

/** What may stand in a hole, beside `name`. Keys are not checked for their checksum here. */
const tokens: Readonly<Record<string, RegExp>> = {
  actor: /^M[A-Z2-7]{55}$/,
  provider: /^V[A-Z2-7]{55}$/,
  host: /^N[A-Z2-7]{55}$/,
  entity: /^[^.*>\s]+$/,
  name: /^[^.*>\s]+$/,
  command: /^[^.*>\s]+$/,
  key: /^[^*>\s]+$/,
  verb: /^[^*>\s]+$/,
};

/** True for what may name a lattice or a link on the wire. */
export function isSubjectName(text: string): boolean {
  return text.length <= maxNameLength && name.test(text);
}

/** @throws LatticeError NAME_INVALID; `what` is "lattice" or "link name". */
export function checkSubjectName(what: string, text: string): void {
  if (!isSubjectName(text)) throw fail("NAME_INVALID", what, text);
}

/**
 * The subjects of one lattice.
 * @throws LatticeError NAME_INVALID, SUBJECT_INVALID from the constructor for a bad lattice or prefix.
 */
export class Subjects {
  readonly lattice: string;
  readonly controlPrefix: string;

  /** `within`: a lattice whose permissions cover this one; its name and a dot stand before this one's on the wire. */
  constructor(lattice: string, controlPrefix: string = defaultControlPrefix, within?: string) {
    for (const each of within === undefined ? [lattice] : [lattice, within]) checkSubjectName("lattice", each);
    if (!controlPrefix.split(".").every(isSubjectName))
      throw fail("SUBJECT_INVALID", controlPrefix, "a prefix is names between dots");
    this.lattice = within === undefined ? lattice : `${within}.${lattice}`;
    this.controlPrefix = controlPrefix;
  }

  /** @throws LatticeError SUBJECT_INVALID when a part does not fit its hole, NAME_INVALID for a link name. */
  write<K extends SubjectKind>(kind: K, ...[parts]: Parts<SubjectParts<K>>): string {
    return this.#fill(kind, parts ?? {}, (hole) => {
      throw fail("SUBJECT_INVALID", kind, `${hole} is missing`);
    });
  }

  /** What to subscribe: parts left out become `*`, a last one of several tokens `>`. */
  pattern<K extends SubjectKind>(kind: K, parts: Partial<SubjectParts<K>> = {}): string {
    return this.#fill(kind, parts, (_, several) => (several ? ">" : "*"));
  }

  /** Undefined for what is no subject of this lattice, and for those of one within another. */
  parse(subject: string): ParsedSubject | undefined {
    const parsed = parseSubject(subject, this.controlPrefix);
    return parsed?.lattice === this.lattice ? parsed : undefined;
  }

  #fill(kind: SubjectKind, parts: object, missing: (hole: string, several: boolean) => string): string {
    const given: Record<string, unknown> = { ...parts, lattice: this.lattice, control: this.controlPrefix };
    return templates[kind].replaceAll(/\{(\w+)(\.\.\.)?\}/g, (_, hole: string, several: string | undefined) => {
      const value = given[hole];
      if (typeof value !== "string") return missing(hole, several !== undefined);
      if (hole !== "control" && hole !== "lattice" && !fits(hole, value)) {
        if (hole === "linkName") throw fail("NAME_INVALID", "link name", value);
        throw fail("SUBJECT_INVALID", value, `it does not fit as ${hole} of ${kind}`);
      }
      return value;
    });
  }
}

/** A part-less kind takes no second argument. */
type Parts<P> = keyof P extends never ? [] : [parts: P];

/** Reads a subject of any lattice. Undefined for what is none. */
export function parseSubject(subject: string, controlPrefix: string = defaultControlPrefix): ParsedSubject | undefined {
  for (const { kind, pattern } of patterns(controlPrefix)) {
    const groups = pattern.exec(subject)?.groups;
    if (groups && Object.entries(groups).every(([hole, value]) => fits(hole, value)))
      return { kind, ...groups } as ParsedSubject;
  }
  return undefined;
}

interface Row {
  readonly kind: SubjectKind;
  readonly pattern: RegExp;
}

/** Rows with named groups, made once for each control prefix. */
const rowsOfPrefix = new Map<string, readonly Row[]>();

function patterns(controlPrefix: string): readonly Row[] {
  const known = rowsOfPrefix.get(controlPrefix);
  if (known) return known;
  const rows = subjectKinds.map((kind) => {
    const source = templates[kind]
      .replace("{control}", controlPrefix)
      .replaceAll(/[$.](?!\.|\})/g, String.raw`\$&`)
      .replaceAll(/\{(\w+)(\.\.\.)?\}/g, (_, hole: string, several: string | undefined) =>
        several ? `(?<${hole}>.+)` : `(?<${hole}>[^.]+)`,
      );
    return { kind, pattern: new RegExp(`^${source}$`) };
  });
  rowsOfPrefix.set(controlPrefix, rows);
  return rows;
}

function fits(hole: string, value: string): boolean {
  const token = tokens[hole];
  return token ? token.test(value) && !value.split(".").includes("") : isSubjectName(value);
}

/** Buckets and stores of a lattice. Source: lattice protocol reference, sections 4 and 10. */
export const metadataBucket = (lattice: string): string => `LATTICEDATA_${lattice}`;
export const configurationBucket = (lattice: string): string => `CONFIGDATA_${lattice}`;
/** The object store of payloads over the threshold. */
export const payloadStore = (lattice: string): string => lattice;

/** One subscription: members of one queue share the messages. */
export interface SubjectSubscription {
  readonly pattern: string;
  readonly queue?: string;
}

/**
 * What a host listens to for the control interface. Queue groups are those of 0.82 hosts, so that a
 * lattice of both answers a shared question once; OTP hosts use another group and answer beside.
 * Source: lattice protocol reference, section 6.
 */
export function controlSubscriptions(subjects: Subjects, host: string): readonly SubjectSubscription[] {
  const root = `${subjects.controlPrefix}.${subjects.lattice}`;
  return [
    { pattern: subjects.write("pingHosts") },
    { pattern: subjects.write("getInventory", { host }) },
    { pattern: subjects.write("putRegistries") },
    { pattern: `${root}.auction.*` },
    { pattern: subjects.pattern("command", { host }) },
    { pattern: `${root}.labels.${host}.*` },
    { pattern: `${root}.get.*`, queue: `${root}.get` },
    { pattern: `${root}.linkdefs.*`, queue: `${root}.linkdefs` },
    { pattern: `${root}.config.>`, queue: `${root}.config` },
    { pattern: `${root}.get.config.>`, queue: `${root}.get.config` },
  ];
}

/** Queue group in which the instances of a provider share calls. Source: lattice protocol reference, section 2. */
export const providerQueue = "rpc";
