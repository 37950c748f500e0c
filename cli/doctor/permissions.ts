import { configurationBucket, metadataBucket, payloadStore, secretsBucket, Subjects } from "../../lattice/index.ts";

/** Who connects to the servers of a lattice. */
export const roles = {
  host: "a host: runs actors and providers",
  client: "who operates the lattice with lattice or wash",
  observer: "who only looks: hosts, inventories, events",
  provider: "a capability provider of the 0.x era in a process of its own",
} as const;

export type Role = keyof typeof roles;

/** As a NATS configuration file and `nsc` have it. */
export interface Permissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

/** What a lattice may have beside its own subjects. */
export interface OtherSubjects {
  /** Where its hosts ask a policy service, and hear of changes. */
  readonly policyTopic?: string | undefined;
  readonly policyChangesTopic?: string | undefined;
  /** What control subjects begin with. Default "wasmbus.ctl". */
  readonly controlPrefix?: string;
}

/** Replies, also those to requests of others. */
const inbox = "_INBOX.>";
/** How a consumer is asked to slow down, and hears that it may go on. */
const flowControl = "$JS.FC.>";

/**
 * What each role must be allowed in one lattice, and nothing that reaches another. Two lattices on
 * one NATS account are told apart by these alone.
 * @throws LatticeError NAME_INVALID.
 */
export function permissionsOf(
  lattice: string,
  { policyTopic, policyChangesTopic, controlPrefix }: OtherSubjects = {},
): Readonly<Record<Role, Permissions>> {
  const subjects = new Subjects(lattice, controlPrefix);
  // Also what hosts and the programs of archives say to each other, in lattices within this one.
  const calls = `wasmbus.rpc.${lattice}.>`;
  const control = `${subjects.controlPrefix}.${lattice}`;
  const events = [subjects.write("events"), subjects.pattern("event"), subjects.write("invocationEvents")];
  const presence = [subjects.write("presence"), subjects.write("askPresence")];
  const ours = [`wasmlattice.rpc.${lattice}.>`, `wasmlattice.ctl.${lattice}.>`];
  const buckets = [metadataBucket(lattice), configurationBucket(lattice)];
  const store = payloadStore(lattice);
  const payloads = [`$O.${store}.>`, ...streamApi(`OBJ_${store}`)];
  const modules = [`$O.MODULES_${lattice}.>`, ...streamApi(`OBJ_MODULES_${lattice}`)];
  const state = buckets.flatMap(bucketApi);
  const secrets = bucketApi(secretsBucket(lattice));
  const jetStream = ["$JS.API.INFO", flowControl];
  return {
    host: {
      publish: [
        calls,
        ...ours,
        ...events,
        ...presence,
        subjects.write("configService"),
        ...(policyTopic === undefined ? [] : [policyTopic]),
        ...state,
        ...secrets,
        ...payloads,
        ...modules,
        ...jetStream,
        inbox,
      ],
      subscribe: [
        calls,
        `${control}.>`,
        ...ours,
        ...events,
        ...presence,
        ...(policyChangesTopic === undefined ? [] : [policyChangesTopic]),
        inbox,
      ],
    },
    client: {
      publish: [
        calls,
        `${control}.>`,
        `wasmlattice.ctl.${lattice}.>`,
        subjects.write("askPresence"),
        ...secrets,
        ...modules,
        ...jetStream,
        inbox,
      ],
      subscribe: [calls, ...events, ...presence, inbox],
    },
    observer: {
      publish: [subjects.write("pingHosts"), `${control}.get.>`, subjects.write("askPresence"), "$JS.API.INFO"],
      subscribe: [...events, ...presence, inbox],
    },
    provider: { publish: [calls, ...payloads, ...jetStream, inbox], subscribe: [calls, inbox] },
  };
}

/** Blocks for a server's configuration file. */
export function permissionsText(lattice: string, all: Readonly<Record<Role, Permissions>>): string {
  const list = (subjects: readonly string[]): string => subjects.map((subject) => `    "${subject}"`).join("\n");
  const blocks = Object.entries(all).map(
    ([role, { publish, subscribe }]) =>
      `# lattice ${lattice}, ${role}: ${roles[role as Role]}\npermissions {\n` +
      `  publish: [\n${list(publish)}\n  ]\n  subscribe: [\n${list(subscribe)}\n  ]\n}`,
  );
  return blocks.join("\n\n");
}

function bucketApi(bucket: string): string[] {
  return [`$KV.${bucket}.>`, ...streamApi(`KV_${bucket}`)];
}

/** What using one stream takes, and making it when it is missing. */
function streamApi(stream: string): string[] {
  const verbs = ["STREAM.INFO", "STREAM.CREATE", "STREAM.MSG.GET", "STREAM.PURGE", "DIRECT.GET", "CONSUMER.CREATE"];
  return [
    ...verbs.map((verb) => `$JS.API.${verb}.${stream}`),
    `$JS.API.CONSUMER.CREATE.${stream}.>`,
    `$JS.API.CONSUMER.DELETE.${stream}.>`,
    `$JS.API.DIRECT.GET.${stream}.>`,
  ];
}
