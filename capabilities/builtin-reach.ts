import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

type Config = Readonly<Record<string, string>>;

/** What one of our own providers needs of its machine when it runs in a process of its own. */
export interface BuiltinReach {
  /** Its settings, files in them with their whole path. */
  readonly config: Config;
  /** Files and folders, which need not be there yet. */
  readonly read?: readonly string[];
  readonly write?: readonly string[];
  readonly network?: boolean;
  /** Whether it starts a thread. */
  readonly threads?: boolean;
  /** JavaScript heap in MiB, where the default is too little. */
  readonly memoryMiB?: number;
}

const mebibyte = 1024 * 1024;
/** What the memory store holds when nothing is said, as `memoryKeyvalue` has it. */
const storeBytes = 256 * mebibyte;

/** By `builtin:NAME`. Files that links name are not among them: a link is put when the process runs. */
const reaches: Readonly<Record<string, (config: Config) => BuiltinReach>> = {
  httpserver: networked(["tls_folder"]),
  httpclient: networked([]),
  "blobstore-files": ({ root = join(tmpdir(), "wasmlattice-blobstore"), ...others }) => {
    const folder = resolve(root);
    return { config: { ...others, root: folder }, write: [folder] };
  },
  "blobstore-nats": networked(["creds_file"]),
  // Entries are counted as they are stored; the heap needs room for their objects, and for a copy of them.
  "keyvalue-memory": (config) => ({
    config,
    memoryMiB: Math.min(65_536, 128 + Math.ceil((2 * (Number(config["max_bytes"]) || storeBytes)) / mebibyte)),
  }),
  "keyvalue-redis": networked(["tls_ca_file"]),
  "keyvalue-sqlite": (config) => {
    const path = config["path"] ? resolve(config["path"]) : "";
    if (path === "") return { config, threads: true };
    return {
      config: { ...config, path },
      write: ["", "-wal", "-shm", "-journal"].map((end) => path + end),
      threads: true,
    };
  },
  "keyvalue-nats": networked(["creds_file"]),
  "messaging-nats": networked(["creds_file"]),
};

/** What the provider of `builtin:NAME` may reach with these settings; nothing where it needs nothing. */
export function reachOf(name: string, config: Config): BuiltinReach {
  return reaches[name]?.(config) ?? { config };
}

/** One that connects, and reads the files of these settings. */
function networked(files: readonly string[]): (config: Config) => BuiltinReach {
  return (config) => {
    const given = files.flatMap((name) => (config[name] === undefined ? [] : [[name, resolve(config[name])] as const]));
    return { config: { ...config, ...Object.fromEntries(given) }, read: given.map(([, path]) => path), network: true };
  };
}
