import { createReadStream } from "node:fs";
import { dirname, resolve } from "node:path";
import { defaultLinkName, describe, fail, failFrom, fileTrouble, isLatticeError } from "../lattice/index.ts";
import { type LimitName, isLimitName, limitNames, limitTable } from "./limits.ts";
import { findBuiltin, inOwnProcess } from "../capabilities/index.ts";
import type { ModuleEntry } from "./children/entry.ts";
import { ManifestReader, type Place } from "./manifest-reader.ts";
import { nearestName } from "./nearest-name.ts";
import { type HostOptions, compileOptions } from "./options.ts";

type Environment = Readonly<Record<string, string | undefined>>;
type Texts = Readonly<Record<string, string>>;

/** A host file, checked and complete: what `up -f` starts. */
export interface HostFile {
  /** Absolute; `-` for standard input. */
  readonly path: string;
  readonly lattice?: string;
  readonly labels: Texts;
  readonly nats?: NatsEntry;
  readonly limits: Partial<Record<LimitName, number>>;
  readonly actors: readonly ActorEntry[];
  readonly capabilities: readonly CapabilityEntry[];
  readonly links: readonly LinkEntry[];
  /** Absolute path of the policy's module. */
  readonly policy?: string;
  /** Lines that were understood and do nothing here, each with its place. */
  readonly warnings: readonly string[];
}

/** How a host reaches NATS; paths are absolute. `jwt` and `seed` are files, or the texts themselves where a variable holds them. */
export interface NatsEntry {
  readonly url?: string;
  readonly creds?: string;
  readonly jwt?: string;
  readonly seed?: string;
  readonly tls?: boolean;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly domain?: string;
  readonly replicas?: number;
  /** What differs for the control interface, and for providers in processes of their own. */
  readonly control?: NatsEntry;
  readonly provider?: NatsEntry;
}

interface Entry {
  /** `file:line:column`, for errors that show only when it is started. */
  readonly at: string;
}

export interface ActorEntry extends Entry {
  /** Absolute path, URL or image reference. */
  readonly reference: string;
  readonly instances?: number;
  /** What links of this file call it, beside its key and the name in its token. */
  readonly name?: string;
  readonly annotations: Texts;
  /** Configuration of this placement. */
  readonly env: Texts;
}

/**
 * A provider to start. At least one of `contractId`, `reference` and `module` is there; a contract alone means our
 * default for it.
 */
export interface CapabilityEntry extends Entry {
  readonly contractId?: string;
  /** `builtin:NAME`, absolute path, URL or image reference. */
  readonly reference?: string;
  /** A provider of the user's own. */
  readonly module?: ModuleEntry;
  readonly linkName: string;
  readonly config: Texts;
}

export interface LinkEntry extends Entry {
  /** M key, name or call alias. */
  readonly actor: string;
  readonly contractId: string;
  readonly linkName: string;
  /** V key, where the file names the provider too. */
  readonly provider?: string;
  readonly values: Texts;
}

const mostBytes = 1024 * 1024;

/**
 * Reads the file of `up -f`, at most 1 MiB, `-` for standard input; relative paths in it start at its own folder.
 * @throws LatticeError FILE_ABSENT, FILE_UNREADABLE, MANIFEST_INVALID naming all problems with line and column.
 */
export async function readHostFile(path: string, environment: Environment = process.env): Promise<HostFile> {
  const name = path === "-" ? "standard input" : path;
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(
      await readBounded(path === "-" ? process.stdin : createReadStream(path), name),
    );
  } catch (error) {
    if (isLatticeError(error)) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw code === "ENOENT" ? fail("FILE_ABSENT", path) : failFrom(error, "FILE_UNREADABLE", name, fileTrouble(error));
  }
  return await parseHostFile(text, path, environment);
}

async function readBounded(stream: AsyncIterable<Buffer>, name: string): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of stream) {
    size += piece.length;
    if (size > mostBytes) throw fail("PAYLOAD_TOO_LARGE", name, size, mostBytes);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

/** As `readHostFile`, of a text; `path` is what errors say and where relative paths start. */
export async function parseHostFile(
  text: string,
  path: string,
  environment: Environment = process.env,
): Promise<HostFile> {
  const reader = await ManifestReader.open(text, path, environment);
  const file = new HostFileReader(reader, path).read();
  reader.finish();
  return file;
}

/** Each name of our own, with the words of waSCC and of the 0.x hosts that mean the same. */
const linkNames = ["linkName", "link", "binding", "binding_name"];
const contracts = ["contract_id", "contractId", "capability", "capability_id"];
const references = ["ref", "image", "image_ref", "imageRef", "provider_ref", "actor_ref"];
const natsFiles = ["creds", "jwt", "seed", "ca", "cert", "key"] as const;
type NatsText = (typeof natsFiles)[number] | "url" | "tls" | "js_domain";
const natsWords = {
  url: ["servers"],
  creds: [],
  jwt: [],
  seed: [],
  tls: [],
  ca: [],
  cert: [],
  key: [],
  js_domain: ["domain"],
  replicas: [],
};
const words = {
  nats: { ...natsWords, control: ["ctl"], provider: ["prov_rpc"] },
  host: {
    lattice: ["lattice_prefix", "namespace"],
    labels: [],
    nats: [],
    limits: [],
    actors: [],
    capabilities: ["providers"],
    links: ["bindings"],
    policy: [],
  },
  actor: {
    reference: ["path", ...references],
    instances: ["count", "max_instances"],
    name: [],
    annotations: [],
    env: [],
  },
  capability: {
    contract: contracts,
    provider: ["reference", "path", ...references],
    link_name: linkNames,
    config: ["values"],
    module: [],
    process: [],
    read: [],
    write: [],
    network: [],
    memory_mib: ["memoryMiB"],
  },
  link: {
    actor: ["actor_id"],
    contract: contracts,
    link_name: linkNames,
    provider: ["provider_id"],
    values: ["config"],
  },
} as const;

/** What the file says, as far as it can be understood; problems go to the reader. */
class HostFileReader {
  readonly #reader: ManifestReader;
  readonly #path: string;
  readonly #warnings: string[] = [];

  constructor(reader: ManifestReader, path: string) {
    this.#reader = reader;
    this.#path = path;
  }

  read(): HostFile {
    const reader = this.#reader;
    const top = reader.isEmpty(reader.root) ? {} : (reader.table(reader.root, "a host file", words.host) ?? {});
    const lattice = reader.text(top.lattice, "lattice");
    const labels = reader.texts(top.labels, "labels");
    if (lattice !== undefined) this.#option(top.lattice, { lattice });
    for (const [name, place] of reader.places(top.labels, "labels")) {
      if (labels[name] !== undefined) this.#option(place, { labels: { [name]: labels[name] } });
    }
    const nats = this.#nats(top.nats);
    const policy = reader.text(top.policy, "policy");
    return {
      path: this.#path === "-" ? "-" : resolve(this.#path),
      ...(lattice === undefined ? {} : { lattice }),
      labels,
      ...(nats === undefined ? {} : { nats }),
      limits: this.#limits(top.limits),
      actors: this.#each(top.actors, "actors", 10_000, (place) => this.#actor(place)),
      capabilities: this.#each(top.capabilities, "capabilities", 1_000, (place) => this.#capability(place)),
      links: this.#each(top.links, "links", 10_000, (place) => this.#link(place)),
      ...(policy === undefined ? {} : { policy: this.#absolute(policy) }),
      warnings: this.#warnings,
    };
  }

  /** An entry is a reference alone, or a table. */
  #actor(place: Place): ActorEntry | undefined {
    const reader = this.#reader;
    const at = reader.where(place);
    if (reader.isText(place)) {
      const reference = reader.text(place, "an actor");
      return reference === undefined
        ? undefined
        : { at, reference: this.#reference(reference), annotations: {}, env: {} };
    }
    const entry = reader.table(place, "an actor", words.actor);
    if (!entry) return undefined;
    if (!entry.reference) reader.problem(place, "an actor needs path or reference");
    const reference = reader.text(entry.reference, "the actor's reference");
    const instances = reader.wholeNumber(entry.instances, "instances", 1, 10_000);
    const name = reader.text(entry.name, "name");
    return {
      at,
      reference: this.#reference(reference ?? ""),
      ...(instances === undefined ? {} : { instances }),
      ...(name === undefined ? {} : { name }),
      annotations: reader.texts(entry.annotations, "annotations"),
      env: reader.texts(entry.env, "env"),
    };
  }

  #capability(place: Place): CapabilityEntry | undefined {
    const reader = this.#reader;
    const at = reader.where(place);
    if (reader.isText(place)) {
      const text = reader.text(place, "a capability");
      if (text === undefined) return undefined;
      const what = isContractId(text) ? { contractId: text } : this.#provider(place, text, undefined);
      return { at, ...what, linkName: defaultLinkName, config: {} };
    }
    const entry = reader.table(place, "a capability", words.capability);
    if (!entry) return undefined;
    if (!entry.contract && !entry.provider && !entry.module)
      reader.problem(place, "a capability needs contract, provider or module");
    const module = this.#module(entry);
    const contractId = reader.text(entry.contract, "contract");
    const provider = reader.text(entry.provider, "provider");
    return {
      at,
      ...(contractId === undefined ? {} : { contractId }),
      ...(provider === undefined ? {} : this.#provider(entry.provider ?? place, provider, contractId)),
      ...this.#ownProcess(entry, provider ?? contractId),
      ...(module === undefined ? {} : { module }),
      linkName: reader.text(entry.link_name, "link_name") ?? defaultLinkName,
      config: reader.texts(entry.config, "config"),
    };
  }

  /** One of ours in a process of its own; a module says for itself where it runs. */
  #ownProcess(entry: Partial<Record<string, Place>>, name: string | undefined): { reference?: string } {
    const where = entry.process && this.#reader.text(entry.process, "process");
    if (entry.module || !entry.process || where === "host") return {};
    const builtin = name === undefined || where !== "child" ? undefined : findBuiltin(name);
    if (builtin) return { reference: inOwnProcess(builtin.reference) };
    this.#reader.problem(entry.process, "process belongs to a module; child to one of our own providers, too");
    return {};
  }

  /** What a child process may reach belongs to one alone: the host's own process is not narrowed, nor its thread bounded. */
  #module(entry: Partial<Record<string, Place>>): ModuleEntry | undefined {
    const reader = this.#reader;
    const path = reader.text(entry.module, "module");
    const where = reader.text(entry.process, "process") ?? "thread";
    if (where !== "thread" && where !== "host" && where !== "child")
      reader.problem(entry.process!, "process must be thread, host or child");
    const own = (["read", "write", "network", "memory_mib"] as const).find((name) => entry[name]);
    if (entry.module === undefined && own !== undefined) reader.problem(entry[own]!, `${own} belongs to a module`);
    const narrowed = (["read", "write", "network"] as const).find((name) => entry[name]);
    if (entry.module && where !== "child" && narrowed !== undefined)
      reader.problem(entry[narrowed]!, `${narrowed} needs process: child`);
    if (entry.memory_mib && where === "host")
      reader.problem(entry.memory_mib, "memory_mib needs process: thread or child");
    if (entry.module && entry.provider) reader.problem(entry.module, "a capability has provider or module, not both");
    const network = reader.text(entry.network, "network");
    if (network !== undefined && !/^(true|false|yes|no)$/.test(network))
      reader.problem(entry.network!, "network must be true or false");
    const memoryMiB = reader.wholeNumber(entry.memory_mib, "memory_mib", 16, 65_536);
    if (path === undefined) return undefined;
    return {
      path: this.#absolute(path),
      process: where === "child" || where === "host" ? where : "thread",
      ...(entry.read && { read: this.#paths(entry.read, "read") }),
      ...(entry.write && { write: this.#paths(entry.write, "write") }),
      ...(network === undefined ? {} : { network: network === "true" || network === "yes" }),
      ...(memoryMiB === undefined ? {} : { memoryMiB }),
    };
  }

  #paths(place: Place, what: string): readonly string[] {
    return this.#each(place, what, 1_000, (each) => {
      const path = this.#reader.text(each, what);
      return path === undefined ? undefined : this.#absolute(path);
    });
  }

  #link(place: Place): LinkEntry | undefined {
    const reader = this.#reader;
    const entry = reader.table(place, "a link", words.link);
    if (!entry) return undefined;
    for (const name of ["actor", "contract"] as const) {
      if (!entry[name]) reader.problem(place, `a link needs ${name}`);
    }
    const provider = reader.text(entry.provider, "provider");
    return {
      at: reader.where(place),
      actor: reader.text(entry.actor, "actor") ?? "",
      contractId: reader.text(entry.contract, "contract") ?? "",
      linkName: reader.text(entry.link_name, "link_name") ?? defaultLinkName,
      ...(provider === undefined ? {} : { provider }),
      values: reader.texts(entry.values, "values"),
    };
  }

  /** waSCC's providers were native libraries; their contract is served by ours. */
  #provider(place: Place, provider: string, contractId: string | undefined): { reference?: string } {
    if (!/\.(so|dylib|dll)$/i.test(provider)) return { reference: this.#reference(provider) };
    if (contractId === undefined) {
      this.#reader.problem(place, `${provider} is a native library, which no host loads: name its contract instead`);
    } else {
      this.#warnings.push(
        `${this.#reader.where(place)}: ${provider} is not loaded, ours for ${contractId} takes its place`,
      );
    }
    return {};
  }

  /** Names as in the table of limits, also written with underscores. */
  #limits(place: Place | undefined): Partial<Record<LimitName, number>> {
    const limits: Partial<Record<LimitName, number>> = {};
    for (const [written, value] of this.#reader.places(place, "limits")) {
      const name = written.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
      if (!isLimitName(name)) {
        const nearest = nearestName(written, limitNames);
        this.#reader.problem(value, `limits has no ${written}${nearest && `; did you mean ${nearest}?`}`);
        continue;
      }
      const { min, max } = limitTable[name];
      const number = this.#reader.wholeNumber(value, `limits.${name}`, min, max);
      if (number !== undefined) limits[name] = number;
    }
    return limits;
  }

  /** A URL alone, or a table. */
  #nats(place: Place | undefined, inner = false): NatsEntry | undefined {
    const reader = this.#reader;
    if (place === undefined) return undefined;
    if (reader.isText(place)) {
      const url = reader.text(place, "nats");
      return url === undefined || url === "false" ? undefined : { url };
    }
    const known: Readonly<Record<string, readonly string[]>> = inner ? natsWords : words.nats;
    const entry = reader.table(place, "nats", known);
    if (!entry) return undefined;
    const text = (name: NatsText) => reader.text(entry[name], `nats.${name}`);
    const files = natsFiles.flatMap((name) => {
      const path = text(name);
      if (path === undefined) return [];
      return [[name, /^(eyJ|SU[A-Z2-7]{56}$)/.test(path) ? path : this.#absolute(path)] as const];
    });
    const [url, domain, tls] = [text("url"), text("js_domain"), text("tls")];
    if (tls !== undefined && !/^(true|false)$/.test(tls)) reader.problem(entry.tls!, "nats.tls must be true or false");
    const replicas = reader.wholeNumber(entry.replicas, "nats.replicas", 1, 5);
    const { control, provider } = entry;
    return {
      ...(url && { url }),
      ...Object.fromEntries(files),
      ...(tls === "true" && { tls: true }),
      ...(domain && { domain }),
      ...(replicas !== undefined && { replicas }),
      ...(control && { control: this.#nats(control, true) ?? {} }),
      ...(provider && { provider: this.#nats(provider, true) ?? {} }),
    };
  }

  #each<T>(place: Place | undefined, what: string, most: number, read: (place: Place) => T | undefined): readonly T[] {
    return this.#reader.list(place, what, most).flatMap((item) => read(item) ?? []);
  }

  /** What the host's own options check, told at its place in the file. */
  #option(place: Place | undefined, options: HostOptions): void {
    try {
      compileOptions(options);
    } catch (error) {
      if (place) this.#reader.problem(place, describe(error));
    }
  }

  #reference(text: string): string {
    return isPath(text) ? this.#absolute(text) : text;
  }

  #absolute(path: string): string {
    return resolve(this.#path === "-" ? "." : dirname(this.#path), path);
  }
}

/** Files start with a dot or a slash or end as modules and archives do; the rest are URLs, builtins and images. */
function isPath(reference: string): boolean {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(reference) || /^(child|builtin):/.test(reference)) return false;
  return /^[./]/.test(reference) || /\.(wasm|par|par\.gz)$/i.test(reference);
}

/** `wasmcloud:keyvalue`, and not `builtin:keyvalue-memory`, a path, or an image with a tag. */
function isContractId(text: string): boolean {
  return /^[a-z][\w-]*(?::[a-z][\w-]*)+$/i.test(text) && !/^(child|builtin):/.test(text);
}
