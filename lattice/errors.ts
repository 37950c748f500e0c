/**
 * The error catalogue: every failure a reader can meet has one row here.
 *
 * Six kinds, because there are six things a reader can do about an error. An error crosses
 * threads, hosts and Kubernetes, so it travels as code, kind, message, hint and cause, and nobody
 * needs `instanceof`. Messages name the actor, link, file or address; they never hold a token, a
 * seed or a payload. `docs/errors.md` is printed from this table.
 */

export const kinds = {
  invalid: { http: 400, exit: 2, means: "malformed input", reader: "fix the input" },
  refused: { http: 403, exit: 4, means: "claims, links or policy do not allow it", reader: "sign or link it" },
  absent: { http: 404, exit: 3, means: "no such actor, provider, link, file or host", reader: "create it, or wait" },
  unavailable: {
    http: 503,
    exit: 5,
    means: "busy, draining, timed out or disconnected",
    reader: "retry with back-off",
  },
  guest: { http: 500, exit: 1, means: "the actor's own code failed or trapped", reader: "read the actor's log" },
  provider: { http: 502, exit: 1, means: "a capability failed behind its contract", reader: "look at the provider" },
} as const;

export type Kind = keyof typeof kinds;

interface Row {
  readonly kind: Kind;
  /** HTTP status where the kind's own does not fit. */
  readonly http?: number;
  /** Exit code of the command line where the kind's own does not fit. */
  readonly exit?: number;
  readonly text: (...args: never[]) => string;
  /** What to do next, as one sentence. */
  readonly hint?: string;
}

export const catalogue = {
  // --- modules: from bytes to a verified actor -----------------------------------------------
  MODULE_NOT_WASM: {
    kind: "invalid",
    text: (file: string) => `${file} is not a WebAssembly module`,
    hint: "Give a .wasm file made by a compiler; the first four bytes must be \\0asm.",
  },
  MODULE_IS_COMPONENT: {
    kind: "invalid",
    text: (file: string) => `${file} is a component, not a waPC module`,
    hint: "Build it for the actor interface of this host: a core module (wasm32-unknown-unknown) that exports __guest_call.",
  },
  MODULE_MALFORMED: {
    kind: "invalid",
    text: (file: string, why: string) => `${file} is malformed: ${why}`,
    hint: "Build or download it again; the file is cut short or damaged.",
  },
  MODULE_TOO_LARGE: {
    kind: "invalid",
    http: 413,
    text: (file: string, size: number, limit: number) => `${file} has ${size} bytes, more than the limit of ${limit}`,
    hint: "Strip debug sections from the module, or raise the module size limit.",
  },
  MODULE_FEATURE_REFUSED: {
    kind: "invalid",
    text: (file: string, feature: string, where: string) =>
      `${file} uses ${feature} (${where}), which this host does not run`,
    hint: "Build without that feature; docs/actors.md lists the accepted proposals.",
  },
  MODULE_IMPORT_UNKNOWN: {
    kind: "invalid",
    text: (file: string, names: string) => `${file} imports what no host offers: ${names}`,
    hint: "Actors may import wapc, wasmbus, WASI preview 1 and env.abort only.",
  },
  MODULE_EXPORT_MISSING: {
    kind: "invalid",
    text: (file: string, names: string) => `${file} does not export ${names}`,
    hint: "An actor exports memory and __guest_call; build it with an actor SDK.",
  },
  MODULE_LIMIT: {
    kind: "invalid",
    text: (file: string, what: string) => `${file} asks for more than this host allows: ${what}`,
    hint: "Ask for less in the module, or raise the limit for this actor.",
  },
  MODULE_UNSIGNED: {
    kind: "refused",
    text: (file: string) => `${file} is not signed`,
    hint: "Sign it: lattice claims sign FILE --name NAME (or run it with --dev while you develop).",
  },
  MODULE_TAMPERED: {
    kind: "refused",
    text: (file: string) => `${file} is not what was signed: module hash does not match`,
    hint: "Sign it again after each change, or fetch the original.",
  },
  MODULE_HASH_PARTIAL: {
    kind: "refused",
    text: (file: string) =>
      `${file} carries the partial hash of wascap 0.9.0, which leaves most of the module unprotected`,
    hint: "Sign it again: lattice claims sign FILE.",
  },
  TOKEN_MALFORMED: {
    kind: "invalid",
    text: (file: string, why: string) => `the token of ${file} is malformed: ${why}`,
    hint: "Sign the module again.",
  },
  TOKEN_SIGNATURE_INVALID: {
    kind: "refused",
    text: (file: string) => `the token of ${file} has an invalid signature`,
    hint: "It was altered after it was signed; fetch the original or sign it again.",
  },
  TOKEN_EXPIRED: {
    kind: "refused",
    text: (name: string, when: string) => `the token of ${name} expired at ${when}`,
    hint: "Sign it again with a later expiry (claims sign -x DAYS).",
  },
  TOKEN_TOO_EARLY: {
    kind: "refused",
    text: (name: string, when: string) => `the token of ${name} may not be used before ${when}`,
    hint: "Wait, or check this machine's clock.",
  },
  TOKEN_KEY_KIND: {
    kind: "refused",
    text: (file: string, field: string, wanted: string, found: string) =>
      `the token of ${file} has ${field} of the wrong kind: wanted ${wanted}, found ${found}`,
    hint: "Sign modules with an account seed (SA...) for a module key (M...).",
  },
  TOKEN_KIND: {
    kind: "refused",
    text: (file: string, why: string) => `the token of ${file} is not an actor's: ${why}`,
    hint: "Sign it as an actor: lattice claims sign FILE.",
  },
  TOKENS_DIFFER: {
    kind: "refused",
    text: (file: string) => `${file} carries two tokens that differ`,
    hint: "Sign it again; signing replaces every earlier token.",
  },
  ARCHIVE_MALFORMED: {
    kind: "invalid",
    text: (file: string, why: string) => `${file} is not a readable provider archive: ${why}`,
    hint: "Make it again, or download it again; the file is cut short or damaged.",
  },
  ARCHIVE_TAMPERED: {
    kind: "refused",
    text: (file: string, target: string) => `${file} is not what was signed: the hash of ${target} does not match`,
    hint: "Fetch the original archive.",
  },
  ARCHIVE_TARGET_ABSENT: {
    kind: "invalid",
    text: (file: string, target: string, there: string) => `${file} holds no binary for ${target}, only for ${there}`,
    hint: "Build it for this machine and add it: lattice par insert ARCHIVE --arch ARCH-OS --binary FILE.",
  },
  ARCHIVE_MODULE_INVALID: {
    kind: "invalid",
    text: (file: string, why: string) => `${file} cannot go into an archive: ${why}`,
    hint: "Make it one ES module of JavaScript or erasable TypeScript that imports only node: modules and wasmlattice; a bundler does.",
  },
  ISSUER_NOT_ALLOWED: {
    kind: "refused",
    text: (file: string, issuer: string) => `${file} is issued by ${issuer}, which this host does not allow`,
    hint: "Add the account key to the host's allowed issuers.",
  },
  // --- keys -----------------------------------------------------------------------------------
  KEY_MALFORMED: {
    kind: "invalid",
    text: (what: string, why: string) => `${what} is not a key: ${why}`,
    hint: "Public keys have 56 characters, seeds 58, both base32 with a checksum.",
  },
  KEY_WRONG_KIND: {
    kind: "invalid",
    text: (wanted: string, found: string) => `a key of kind ${wanted} is needed, this one is of kind ${found}`,
    hint: "Generate the right one: lattice keys gen KIND.",
  },
  KEY_ABSENT: {
    kind: "absent",
    text: (name: string, folder: string) => `no key ${name} in ${folder}`,
    hint: "List keys with lattice keys list, make one with lattice keys gen.",
  },
  KEY_EXISTS: {
    kind: "invalid",
    exit: 6,
    http: 409,
    text: (name: string, folder: string) => `${folder} already holds a key ${name}`,
    hint: "Choose another name; keys are never overwritten.",
  },
  // --- calls: the crossroads -------------------------------------------------------------------
  ACTOR_ABSENT: {
    kind: "absent",
    text: (name: string, lattice?: string) =>
      lattice === undefined ? `no actor ${name} runs here` : `no host of lattice ${lattice} runs actor ${name}`,
    hint: "See what runs: lattice get actors.",
  },
  ACTOR_AMBIGUOUS: {
    kind: "invalid",
    text: (name: string, candidates: string) => `${name} may mean several: ${candidates}`,
    hint: "Use the whole key or more of its letters; of one provider under several link names, --link-name.",
  },
  ALIAS_ABSENT: {
    kind: "absent",
    text: (alias: string) => `Call alias not found: ${alias}`,
    hint: "Start the actor that carries the alias, or claim and link a provider of that contract.",
  },
  PROVIDER_ABSENT: {
    kind: "absent",
    text: (name: string, lattice?: string) =>
      lattice === undefined ? `no provider ${name} runs here` : `no host of lattice ${lattice} runs provider ${name}`,
    hint: "See what runs: lattice get providers. Start one: lattice start provider REFERENCE.",
  },
  BUILTIN_ABSENT: {
    kind: "absent",
    text: (reference: string, near: string) => `there is no provider ${reference} to start${near}`,
    hint: "Say a builtin:NAME of ours, a contract id for its default, or a signed archive (.par); in a swap also memory, sqlite:FILE, redis://HOST or nats.",
  },
  PROVIDER_IS_MODULE: {
    kind: "refused",
    text: (reference: string) =>
      `${reference} is an actor's module: it is not started as a provider, and takes no provider's place`,
    hint: "Start it with lattice start actor; a portable provider (prov: true) then serves the actors that are linked to its key, and lattice update replaces it.",
  },
  PROVIDER_BY_PATH: {
    kind: "refused",
    text: (path: string) => `${path} is a module of your own, and no code is started by its path here`,
    hint: "Make an archive of it (lattice par create) and name that, name it in the host file (module, with process: child for a process of its own), or give the library's swapProvider what childProvider(FILE) makes of it.",
  },
  PLACEMENT_ABSENT: {
    kind: "absent",
    text: (id: string) => `no placement ${id}`,
    hint: "See what runs: lattice get inventory.",
  },
  CLAIM_ABSENT: {
    kind: "refused",
    text: (actor: string, contract: string) =>
      `${actor} does not claim ${contract}: missing capability claim for ${contract}`,
    hint: "Sign the actor with that capability: lattice claims sign FILE --cap CONTRACT.",
  },
  LINK_ABSENT: {
    kind: "refused",
    text: (actor: string, contract: string, link: string) =>
      `${actor} has no link "${link}" to ${contract}: missing link definition`,
    hint: "Link it: lattice link put ACTOR PROVIDER CONTRACT.",
  },
  ACTOR_CALL_REFUSED: {
    kind: "refused",
    text: (caller: string, target: string) => `${caller} may not call actor ${target}`,
    hint: "Actors of that era must claim the key of each actor that they call.",
  },
  POLICY_REFUSED: {
    kind: "refused",
    text: (what: string, why: string) => `policy refuses ${what}: ${why}`,
    hint: "Ask who keeps the policy of this host.",
  },
  HOPS_EXCEEDED: {
    kind: "refused",
    http: 508,
    text: (target: string, limit: number) => `the call chain reached ${limit} hops at ${target}`,
    hint: "Look for actors that call each other in a circle.",
  },
  DEADLINE_EXCEEDED: {
    kind: "unavailable",
    http: 504,
    text: (what: string, ms: number) => `${what} did not answer in ${ms} ms`,
    hint: "Raise the deadline of the link, or see what holds the actor: lattice explain ACTOR.",
  },
  QUEUE_FULL: {
    kind: "unavailable",
    text: (actor: string, waiting: number) => `${actor} is busy and ${waiting} calls already wait`,
    hint: "Retry later, or give the actor more instances: lattice scale.",
  },
  DRAINING: {
    kind: "unavailable",
    text: (what: string) => `${what} is draining`,
    hint: "Retry: another instance or host will take the call.",
  },
  ERA_CHANGED: {
    kind: "unavailable",
    text: (actor: string) => `${actor} was updated to another era while a call to it was on its way`,
    hint: "Retry: encode the call for the era that its link tells now.",
  },
  INSTANCE_LIMIT: {
    kind: "unavailable",
    text: (limit: number) => `this process already holds ${limit} instances`,
    hint: "Stop idle actors, or raise the limit (it is bounded by vm.max_map_count).",
  },
  ENGINE_LOST: {
    kind: "unavailable",
    text: (engine: string) => `engine ${engine} was lost during the call`,
    hint: "Retry: a new engine takes its place.",
  },
  HOST_LOST: {
    kind: "unavailable",
    text: (host: string) => `host ${host} was lost during the call`,
    hint: "The call may have run there; retry it only if it may run twice.",
  },
  HOSTS_UNREACHED: {
    kind: "unavailable",
    text: (what: string, hosts: string) => `${what} runs on ${hosts}, where nobody takes calls now`,
    hint: "Nothing was run. Those hosts were lost, drain, or are finding their server again: retry in a moment.",
  },
  CALLER_GONE: { kind: "unavailable", http: 499, text: (what: string) => `the caller of ${what} went away` },
  STATE_UNAVAILABLE: {
    kind: "unavailable",
    text: (bucket: string, why: string) => `shared state ${bucket} is unavailable: ${why}`,
    hint: "Start the NATS server with JetStream (nats-server -js), or wait until it is back; lattice doctor tells which.",
  },
  BLOB_CORRUPT: {
    kind: "unavailable",
    text: (name: string) => `the stored object ${name} is not what its digest says`,
    hint: "Send it again; whoever wrote it was cut off or it was changed meanwhile.",
  },
  STOPPED: { kind: "unavailable", text: (what: string) => `${what} has stopped`, hint: "Start it again." },
  NO_RESPONDERS: {
    kind: "unavailable",
    text: (subject: string) => `nobody listens on ${subject}`,
    hint: "See which hosts there are: lattice get hosts.",
  },
  RPC_TIMEOUT: {
    kind: "unavailable",
    http: 504,
    text: (subject: string, ms: number) => `no reply on ${subject} in ${ms} ms`,
    hint: "See whether the host is up: lattice get hosts.",
  },
  BUS_CLOSED: { kind: "unavailable", text: (what: string) => `the bus is closed: ${what}` },
  BUS_FULL: {
    kind: "unavailable",
    text: (server: string, bytes: number) => `${bytes} bytes already wait to be sent to ${server}`,
    hint: "The NATS server is away or too slow; retry when it is back.",
  },
  NATS_ADDRESS: {
    kind: "invalid",
    text: (address: string, why: string) => `"${address}" is no address of a NATS server: ${why}`,
  },
  NATS_CREDENTIALS: {
    kind: "invalid",
    text: (where: string, why: string) => `the NATS credentials ${where} cannot be used: ${why}`,
    hint: "Give a .creds file of nsc, or a user JWT with its seed.",
  },
  NATS_UNREACHABLE: {
    kind: "unavailable",
    text: (server: string, why: string) => `the NATS server ${server} is not reached: ${why}`,
    hint: "Start the server, or correct its URL; a host serves what is local meanwhile. See lattice doctor.",
  },
  NATS_REFUSED: {
    kind: "refused",
    text: (server: string, why: string) => `the NATS server ${server} refuses this connection: ${why}`,
    hint: "Check the user, password, token or credentials given for NATS; connecting goes on.",
  },
  NATS_PERMISSION: {
    kind: "refused",
    text: (operation: string, subject: string) => `NATS permissions do not allow to ${operation} ${subject}`,
    hint: "Grant it to this user: lattice doctor --permissions prints what each role needs.",
  },
  NATS_CUT: {
    kind: "unavailable",
    text: (server: string, why: string) => `the NATS server ${server} ended the connection: ${why}`,
    hint: "It connects again by itself; what was sent meanwhile may be lost.",
  },
  SUBJECT_INVALID: { kind: "invalid", text: (subject: string, why: string) => `"${subject}" is not a subject: ${why}` },
  NAME_INVALID: {
    kind: "invalid",
    text: (what: string, name: string) => `"${name}" cannot be a ${what}`,
    hint: "Names of lattices and links are at most 128 letters, digits, - and _.",
  },
  HEADER_INVALID: {
    kind: "invalid",
    text: (name: string) => `the message header ${JSON.stringify(name)} cannot be sent`,
    hint: "Names are printable ASCII without a colon, values have no line breaks.",
  },
  STATE_KEY_INVALID: {
    kind: "invalid",
    text: (key: string) => `"${key}" is not a key of the shared state`,
    hint: "Keys are letters, digits, - / _ = in tokens between dots.",
  },
  REVISION_CONFLICT: {
    kind: "unavailable",
    exit: 6,
    http: 409,
    text: (key: string, wanted: number, found: number) => `${key} is at revision ${found}, not ${wanted}`,
    hint: "Read it again and repeat the change.",
  },
  PAYLOAD_TOO_LARGE: {
    kind: "invalid",
    http: 413,
    text: (what: string, size: number, limit: number) => `${what} has ${size} bytes, more than the limit of ${limit}`,
    hint: "Send less at once, or raise the limit.",
  },
  ANSWER_TOO_LARGE: {
    kind: "unavailable",
    http: 413,
    text: (what: string, size: number, limit: number, command: string) =>
      `the answer to ${what} has ${size} bytes, more than the server's limit of ${limit}: "${command}" fetches it in parts`,
    hint: "Ask with our own command line, or raise max_payload of the NATS servers.",
  },
  PAYLOAD_MALFORMED: {
    kind: "invalid",
    text: (operation: string, why: string) => `the payload of ${operation} is malformed: ${why}`,
    hint: "Build the actor with the SDK of its era.",
  },
  METHOD_REFUSED: {
    kind: "refused",
    http: 405,
    text: (method: string) => `${method} is refused: this link takes GET and HEAD only`,
    hint: "Put the link again without readonly_mode.",
  },
  OPERATION_UNKNOWN: {
    kind: "invalid",
    text: (contract: string, operation: string) => `${contract} has no operation ${operation}`,
    hint: "See the operations in docs/actors.md.",
  },
  // --- invocations over the lattice ----------------------------------------------------------------
  INVOCATION_MALFORMED: {
    kind: "invalid",
    text: (why: string) => `the invocation is malformed: ${why}`,
    hint: "Send what the 0.x lattice protocol says: a MessagePack map with origin, target, operation, msg, id, encoded_claims and host_id.",
  },
  INVOCATION_SIGNATURE_INVALID: {
    kind: "refused",
    text: (id: string) => `the claims of invocation ${id} have an invalid signature`,
    hint: "It was altered after it was signed, or signed by another key than it says.",
  },
  INVOCATION_ISSUER_FOREIGN: {
    kind: "refused",
    text: (id: string, issuer: string, accepted: string) =>
      `the issuer of invocation ${id} is not in the list of cluster issuers: it is ${issuer}, accepted is ${accepted}`,
    hint: "Give both hosts the same cluster seed, or add the key to this host's cluster issuers.",
  },
  INVOCATION_EXPIRED: {
    kind: "refused",
    text: (id: string, when: string) => `the claims of invocation ${id} expired at ${when}`,
    hint: "Send it again; if that fails too, compare the clocks of the hosts.",
  },
  INVOCATION_TOO_EARLY: {
    kind: "refused",
    text: (id: string, when: string) => `the claims of invocation ${id} may not be used before ${when}`,
    hint: "Compare the clocks of the hosts.",
  },
  INVOCATION_HOST_ID: {
    kind: "refused",
    text: (id: string, host: string) => `invalid host ID on invocation ${id}: "${host}"`,
    hint: "A host names itself by 56 characters that begin with N (or C, as OTP hosts do).",
  },
  INVOCATION_ORIGIN_ALTERED: {
    kind: "refused",
    text: (id: string) => `claims and origin URL of invocation ${id} do not match`,
    hint: "It was altered after it was signed.",
  },
  INVOCATION_TARGET_ALTERED: {
    kind: "refused",
    text: (id: string) => `claims and target URL of invocation ${id} do not match`,
    hint: "Its target or operation was altered after it was signed.",
  },
  INVOCATION_PAYLOAD_ALTERED: {
    kind: "refused",
    text: (id: string) => `the hash of invocation ${id} does not match its signed claims`,
    hint: "Its payload was altered after it was signed.",
  },
  INVOCATION_ID_ALTERED: {
    kind: "refused",
    text: (id: string) => `the claims of invocation ${id} are those of another one`,
    hint: "Sign each invocation for itself, with its id as subject.",
  },
  INVOCATION_REPLAYED: {
    kind: "refused",
    text: (id: string) => `invocation ${id} came before`,
    hint: "Sign each invocation for itself; a message is never sent twice.",
  },
  INVOCATION_MISDIRECTED: {
    kind: "refused",
    text: (id: string, target: string) => `invocation ${id} is for ${target}, which is not who got it`,
    hint: "Send it to the subject of its target.",
  },
  HELLO_REFUSED: {
    kind: "refused",
    text: (host: string, why: string) => `the hello of ${host} is refused: ${why}`,
    hint: "Give both hosts the same cluster seed (or accept each other's cluster key) and compare their clocks.",
  },
  SESSION_REFUSED: {
    kind: "unavailable",
    text: (host: string, why: string) => `host ${host} takes no session with this one: ${why}`,
    hint: "Nothing was run. Compare cluster keys, lattice and --rpc of both hosts.",
  },
  SESSION_LOST: {
    kind: "unavailable",
    text: (host: string, why: string) => `the answer of host ${host} proves nothing: ${why}`,
    hint: "That host was perhaps started again during the call, which may have run; retry what may run twice.",
  },
  PAYLOAD_GONE: {
    kind: "unavailable",
    text: (name: string) => `the payload ${name} is not in the lattice's object store`,
    hint: "It was fetched before, or swept because it was old; call again.",
  },
  // --- the guest's own failures ------------------------------------------------------------------
  GUEST_FAILED: {
    kind: "guest",
    text: (actor: string, operation: string, why: string) => `${actor} failed ${operation}: ${why}`,
    hint: "Read its log: lattice logs ACTOR.",
  },
  GUEST_TRAPPED: {
    kind: "guest",
    text: (actor: string, operation: string, why: string) => `${actor} trapped in ${operation}: ${why}`,
    hint: "Read its log: lattice logs ACTOR.",
  },
  GUEST_CPU_EXCEEDED: {
    kind: "guest",
    http: 504,
    text: (actor: string, operation: string, ms: number) => `${actor} used more than ${ms} ms of CPU in ${operation}`,
    hint: "Look for an endless loop, or raise the actor's CPU limit.",
  },
  GUEST_START_FAILED: {
    kind: "guest",
    text: (actor: string, entry: string, why: string) => `${actor} failed to start in ${entry}: ${why}`,
    hint: "Read its log: lattice logs ACTOR.",
  },
  GUEST_MISBEHAVED: {
    kind: "guest",
    text: (actor: string, operation: string, why: string) => `${actor} broke the waPC rules in ${operation}: ${why}`,
    hint: "Build it with a current actor SDK.",
  },
  // --- providers --------------------------------------------------------------------------------
  PROVIDER_FAILED: {
    kind: "provider",
    text: (provider: string, operation: string, why: string) => `${provider} failed ${operation}: ${why}`,
    hint: "Look at the provider: lattice describe provider.",
  },
  PROVIDER_GONE: {
    kind: "unavailable",
    text: (provider: string, why: string) => `${provider} is gone: ${why}`,
    hint: "Its last lines are in the host's log; start or swap it again.",
  },
  PROVIDER_MODULE_INVALID: {
    kind: "invalid",
    text: (path: string, why: string) => `${path} gives no provider: ${why}`,
    hint: "Export a provider, or a function that makes one, as default; see docs/writing-a-provider.md.",
  },
  MIDDLEWARE_FAILED: {
    kind: "provider",
    http: 500,
    text: (name: string, operation: string, why: string) => `middleware ${name} failed ${operation}: ${why}`,
    hint: "Look at that middleware: this host runs it around each call.",
  },
  REPLY_MALFORMED: {
    kind: "provider",
    text: (what: string, operation: string, why: string) =>
      `${what} answered ${operation} with something unreadable: ${why}`,
  },
  HTTP_CLIENT_FAILED: {
    kind: "provider",
    text: (host: string, why: string) => `the request to ${host} failed: ${why}`,
    hint: "See whether that host answers, from the machine that runs the HTTP client.",
  },
  HTTP_HOST_REFUSED: {
    kind: "refused",
    text: (host: string, why: string) => `the HTTP client may not ask ${host}: ${why}`,
    hint: "Name it in the link's value allow, or set allow_private for a host of your own network.",
  },
  CONTAINER_ABSENT: {
    kind: "absent",
    text: (container: string) => `there is no container ${container}`,
    hint: "Create it first.",
  },
  OBJECT_ABSENT: { kind: "absent", text: (container: string, id: string) => `there is no object ${container}/${id}` },
  OBJECT_CHANGED: {
    kind: "provider",
    text: (container: string, id: string) => `${container}/${id} was replaced while it was read`,
    hint: "Read it again.",
  },
  UPLOAD_ABSENT: {
    kind: "absent",
    text: (what: string) => `no upload of ${what} is going on`,
    hint: "Begin it again: one that nobody goes on with for ten minutes is given up.",
  },
  UPLOAD_GAP: {
    kind: "invalid",
    text: (what: string, offset: number, stands: number) =>
      `a piece of ${what} begins at ${offset}, but the upload stands at ${stands}`,
    hint: "Send the pieces in order, none left out.",
  },
  WRONG_TYPE: {
    kind: "provider",
    text: (operation: string, key: string, holds: string) => `${operation} does not fit ${key}: it holds a ${holds}`,
    hint: "Use another key, or delete this one first.",
  },
  COUNTER_OVERFLOW: {
    kind: "invalid",
    text: (operation: string, key: string) => `${operation} would take ${key} out of the range of 32 bits`,
    hint: "Counters hold -2147483648 to 2147483647; set it back, or count in several keys.",
  },
  STORE_FULL: {
    kind: "unavailable",
    http: 507,
    text: (store: string, limit: number) => `${store} is full: it may hold ${limit} bytes`,
    hint: "Delete keys, let them expire, or raise the store's limit.",
  },
  STORE_UNAVAILABLE: {
    kind: "unavailable",
    text: (store: string, why: string) => `${store} is unavailable: ${why}`,
    hint: "Start it, or wait until it is back: the provider connects again by itself.",
  },
  SERVER_UNAVAILABLE: {
    kind: "unavailable",
    text: (server: string, why: string) => `${server} is unavailable: ${why}`,
    hint: "Start it, or wait until it is back: the provider connects again by itself.",
  },
  LINK_VALUES_INVALID: {
    kind: "invalid",
    text: (provider: string, problems: string) => `the link values do not suit ${provider}: ${problems}`,
    hint: "Put the link again with corrected values.",
  },
  SECRET_UNAVAILABLE: {
    kind: "invalid",
    text: (problems: string) => `a secret cannot be read: ${problems}`,
    hint: "Set the variable or write the file where the provider runs, and let its host read it: --secret-env NAME, --secret-dir FOLDER. Of the lattice: lattice secret put NAME, sealed for a key of that host (--secret-key FILE).",
  },
  SECRET_ABSENT: {
    kind: "absent",
    text: (name: string, lattice: string) => `lattice ${lattice} holds no secret ${name}`,
    hint: "List those that it holds with lattice secret list, put one with lattice secret put NAME.",
  },
  ADDRESS_TAKEN: {
    kind: "invalid",
    exit: 6,
    http: 409,
    text: (address: string, holder: string, asked: string) =>
      `${address} already serves ${holder}, so ${asked} cannot have it`,
    hint: "Give one of them another address or port (0 takes any free one).",
  },
  ADDRESS_UNAVAILABLE: {
    kind: "unavailable",
    exit: 6,
    text: (address: string, why: string) => `cannot listen on ${address}: ${why}`,
    hint: "Choose another port (0 takes any free one), or stop what uses it.",
  },
  WAIT_TIMEOUT: {
    kind: "unavailable",
    http: 504,
    text: (what: string, state: string, ms: number) => `${what} is not ${state} after ${ms} ms`,
    hint: "See what there is: lattice get inventory, lattice get events; wait longer with --timeout.",
  },
  JOB_ABSENT: {
    kind: "absent",
    text: (id: string, where: string) => `there is no job ${id} at ${where}, or it ended too long ago`,
    hint: "The host that was asked knows it: name it with --host-id; one that started anew has forgotten it.",
  },
  CONTEXT_ABSENT: {
    kind: "absent",
    text: (name: string, known: string) => `there is no context ${name}; known: ${known}`,
    hint: "Make one: lattice ctx new NAME --nats nats://HOST:4222.",
  },
  CONTEXT_EXISTS: {
    kind: "invalid",
    exit: 6,
    http: 409,
    text: (name: string) => `context ${name} is there already`,
    hint: "Change it with lattice ctx edit, or choose another name.",
  },
  CONFIGURATION_ABSENT: {
    kind: "absent",
    text: (name: string) => `there is no configuration ${name}`,
    hint: "Put it: lattice config put NAME KEY=VALUE; lattice config list shows those that are there.",
  },
  CONFIGURATION_INVALID: {
    kind: "invalid",
    text: (name: string, why: string) => `configuration ${name} is not taken: ${why}`,
  },
  CONFIGURATION_USED: {
    kind: "invalid",
    exit: 6,
    http: 409,
    text: (name: string, links: number) => `configuration ${name} is used by ${links} links`,
    hint: "Take those links back, or put them without it, first: lattice config get NAME shows them.",
  },
  PROVIDER_CONFLICT: {
    kind: "invalid",
    exit: 6,
    http: 409,
    text: (contract: string, link: string, holder: string) =>
      `${holder} already provides ${contract} under link name "${link}"`,
    hint: "Use another link name, or swap the running one.",
  },
  PROVIDER_DOWN: {
    kind: "unavailable",
    text: (provider: string, why: string) => `${provider} is down: ${why}`,
    hint: "It is restarted by itself; see how it does: lattice describe provider.",
  },
  SWAP_REFUSED: {
    kind: "refused",
    http: 409,
    exit: 6,
    text: (from: string, to: string, why: string) => `${from} is not swapped for ${to}: ${why}`,
    hint: "Nothing has changed; correct what is named and swap again.",
  },
  SWAP_PAUSE: {
    kind: "refused",
    http: 409,
    exit: 7,
    text: (keys: number, seconds: number) =>
      `copying ${keys} keys would make calls wait for about ${seconds} s, none of them beyond its own deadline`,
    hint: "Accept that with --yes, or swap without --copy-state.",
  },
  SWAP_RETURNED: {
    kind: "provider",
    text: (from: string, to: string, why: string) => `${to} failed its trial and ${from} serves again: ${why}`,
    hint: "Look at what the new provider needs: lattice get events.",
  },
  // --- hosts, options, files -----------------------------------------------------------------------
  ALREADY_RUNNING: { kind: "invalid", exit: 6, http: 409, text: (what: string) => `${what} already runs here` },
  ALIAS_TAKEN: {
    kind: "refused",
    exit: 6,
    http: 409,
    text: (alias: string, holder: string, asked: string) =>
      `call alias ${alias} belongs to ${holder}; ${asked} of another issuer may not take it`,
    hint: "Sign one of them with another call alias.",
  },
  OPTION_OUT_OF_RANGE: {
    kind: "invalid",
    text: (name: string, value: unknown, range: string) => `${name} is ${String(value)}, it must be ${range}`,
  },
  OPTION_UNKNOWN: {
    kind: "invalid",
    text: (name: string, nearest: string) => `there is no option ${name}${nearest ? `; did you mean ${nearest}?` : ""}`,
  },
  FILE_ABSENT: {
    kind: "absent",
    text: (file: string) => `no file ${file}`,
    hint: "Check the path; relative paths start at the current folder.",
  },
  FILE_UNWRITABLE: {
    kind: "unavailable",
    exit: 7,
    text: (file: string, why: string) => `cannot write ${file}: ${why}`,
    hint: "Choose another place, or make room and rights there.",
  },
  FILE_UNREADABLE: {
    kind: "invalid",
    text: (file: string, why: string) => `cannot read ${file}: ${why}`,
    hint: "Give a file of the kind that is asked for, which this user may read.",
  },
  REFERENCE_UNKNOWN: {
    kind: "invalid",
    text: (reference: string) => `${reference} is not a reference this host can fetch`,
    hint: "Use a file, - for standard input, an https URL, or an image such as ghcr.io/x/echo:1.0. Providers: lattice start provider.",
  },
  FETCH_FAILED: { kind: "unavailable", text: (reference: string, why: string) => `cannot fetch ${reference}: ${why}` },
  REFERENCE_REFUSED: {
    kind: "refused",
    text: (reference: string) => `this host lets nobody on the lattice name its files: ${reference}`,
    hint: "Push it to a registry, bring it along with lattice start actor FILE, or start the host with --allow-file-load.",
  },
  PRESENCE_INVALID: { kind: "invalid", text: (why: string) => `an announcement of a host is not valid: ${why}` },
  CONTROL_REFUSED: {
    kind: "refused",
    text: (host: string, what: string) => `host ${host} takes no ${what} from the lattice`,
    hint: "Ask on its own machine, or start it with --ctl full.",
  },
  REVISION_NOT_GREATER: {
    kind: "refused",
    exit: 6,
    http: 409,
    text: (actor: string, held: string, asked: string) => `${actor} runs ${held}; ${asked} is not greater`,
    hint: "Sign the module with a greater revision, or force the update.",
  },
  UPDATE_STOPPED: {
    kind: "unavailable",
    exit: 6,
    http: 409,
    text: (actor: string, host: string, why: string, done: string, left: string) =>
      `the update of ${actor} stopped at host ${host}: ${why}; updated: ${done}; not asked: ${left}`,
    hint: "Set right what it says and update again; hosts that have the revision take it again with force only.",
  },
  UPDATE_RETURNED: {
    kind: "guest",
    text: (actor: string, tried: string, kept: string, why: string) =>
      `${actor} is at ${kept} again, since ${tried} failed its trial: ${why}`,
    hint: "Read what the new module logged: lattice logs.",
  },
  UPDATE_REFUSED: {
    kind: "refused",
    text: (actor: string, why: string) => `${actor} is not updated: ${why}`,
    hint: "Start it as another actor, or allow the difference.",
  },
  OCI_REFERENCE_INVALID: {
    kind: "invalid",
    text: (reference: string, why: string) => `${reference} is not an OCI reference: ${why}`,
    hint: "Write host[:port]/repository:tag or host[:port]/repository@sha256:DIGEST.",
  },
  OCI_LATEST_REFUSED: {
    kind: "refused",
    text: (reference: string) => `${reference} is refused: what latest names changes without notice`,
    hint: "Name a version tag or a digest, or allow it with LATTICE_OCI_ALLOW_LATEST=true.",
  },
  OCI_PLAIN_HTTP: {
    kind: "refused",
    text: (registry: string) => `the registry ${registry} speaks no TLS, and it is not listed as one that need not`,
    hint: "List it in LATTICE_OCI_ALLOWED_INSECURE, or give the registry a certificate.",
  },
  OCI_UNAUTHORIZED: {
    kind: "refused",
    text: (reference: string, registry: string, who: string, why: string) =>
      `${registry} does not let ${who} read ${reference}: ${why}`,
    hint: "Set OCI_REGISTRY, OCI_REGISTRY_USER and OCI_REGISTRY_PASSWORD, or check name and spelling: registries say this of what does not exist, too.",
  },
  OCI_ABSENT: {
    kind: "absent",
    text: (reference: string, why: string) => `the registry has no ${reference}: ${why}`,
    hint: "Check repository and tag, or push it first.",
  },
  OCI_NO_MODULE: {
    kind: "invalid",
    text: (reference: string, found: string) => `${reference} holds no module or provider archive but ${found}`,
    hint: "Push a .wasm or .par file, for example with wash push.",
  },
  OCI_DIGEST_MISMATCH: {
    kind: "refused",
    text: (reference: string, found: string, wanted: string) =>
      `the registry sent other bytes for ${reference}: ${found}, not ${wanted}`,
    hint: "Fetch it again; if it happens again, do not trust that registry.",
  },
  MANIFEST_INVALID: {
    kind: "invalid",
    text: (file: string, line: number, column: number, why: string) => `${file}:${line}:${column}: ${why}`,
  },
  HOST_ABSENT: {
    kind: "absent",
    text: (where: string) => `no host answers at ${where}`,
    hint: "Start one: lattice up, or lattice run MODULE.",
  },
  NO_HOST_FITS: {
    kind: "absent",
    text: (what: string, where: string, labels: string) => `no host of ${where} takes ${what}${labels}`,
    hint: "See the hosts and their labels: lattice get hosts -o wide. Start one that fits: lattice up --label KEY=VALUE.",
  },
  HOST_AMBIGUOUS: {
    kind: "invalid",
    text: (hosts: string) => `several hosts run here: ${hosts}`,
    hint: "Choose one with --host-id or --socket.",
  },
  VERB_UNKNOWN: { kind: "absent", text: (verb: string) => `the control interface has no verb ${verb}` },
  VERB_FAILED: {
    kind: "unavailable",
    http: 500,
    exit: 1,
    text: (verb: string, why: string) => `the host failed in ${verb}: ${why}`,
    hint: "This is a defect of the host; its log has the place.",
  },
  REQUEST_INVALID: { kind: "invalid", text: (verb: string, why: string) => `bad request to ${verb}: ${why}` },
  USAGE: { kind: "invalid", text: (why: string) => why },
  NODE_TOO_OLD: {
    kind: "unavailable",
    exit: 7,
    text: (found: string, needed: string) => `Node ${found} cannot run actors; ${needed} or newer is needed`,
    hint: "Install a newer Node.",
  },
  PRECONDITION: { kind: "unavailable", exit: 7, text: (what: string) => what },
} as const satisfies Record<string, Row>;

export type ErrorCode = keyof typeof catalogue;
type TextArguments<C extends ErrorCode> = Parameters<(typeof catalogue)[C]["text"]>;

/** An error as it crosses threads, sockets and the lattice: plain data. */
export interface WireError {
  readonly code: ErrorCode;
  readonly kind: Kind;
  readonly message: string;
  readonly hint?: string;
  readonly cause?: string;
}

export class LatticeError extends Error {
  readonly code: ErrorCode;
  readonly kind: Kind;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "LatticeError";
    this.code = code;
    const row: Row = catalogue[code];
    this.kind = row.kind;
    this.hint = row.hint;
  }

  /** HTTP status for this error: the row's own, else its kind's. */
  get httpStatus(): number {
    return (catalogue[this.code] as Row).http ?? kinds[this.kind].http;
  }

  /** Exit code of the command line: the row's own, else its kind's. */
  get exitCode(): number {
    return (catalogue[this.code] as Row).exit ?? kinds[this.kind].exit;
  }

  toWire(): WireError {
    return {
      code: this.code,
      kind: this.kind,
      message: this.message,
      ...(this.hint === undefined ? {} : { hint: this.hint }),
      ...(this.cause === undefined ? {} : { cause: describe(this.cause) }),
    };
  }
}

/** Makes the error of one row; the arguments are checked against the row's text. Throw what it returns. */
export function fail<C extends ErrorCode>(code: C, ...args: TextArguments<C>): LatticeError {
  return new LatticeError(code, (catalogue[code].text as (...a: unknown[]) => string)(...args));
}

/** Like `fail`, and keeps what caused it. */
export function failFrom<C extends ErrorCode>(cause: unknown, code: C, ...args: TextArguments<C>): LatticeError {
  return new LatticeError(code, (catalogue[code].text as (...a: unknown[]) => string)(...args), cause);
}

/** The other end of `toWire`; an unknown code of a newer host becomes PROVIDER_FAILED with its text. */
export function fromWire(wire: WireError): LatticeError {
  const code = wire.code in catalogue ? wire.code : "PROVIDER_FAILED";
  return new LatticeError(code, wire.message, wire.cause);
}

export function isLatticeError(error: unknown): error is LatticeError {
  return error instanceof LatticeError;
}

/** `1 call`, `2 calls`: words whose plural is an s. */
export function counted(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

/** Why the system refused a file, for a message that names the file already. */
export function fileTrouble(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return troubles[code] ?? describe(error);
}

const troubles: Readonly<Record<string, string>> = {
  EISDIR: "it is a folder",
  EACCES: "this user may not",
  EPERM: "this user may not",
  ENOTDIR: "a part of the path is no folder",
  ELOOP: "its links lead in a circle",
  EROFS: "its file system is read-only",
  ENOSPC: "its disk is full",
};

/** Text of anything thrown, on one line, for messages and logs. */
export function describe(error: unknown): string {
  return (
    error instanceof Error ? error.message : typeof error === "string" ? error : (JSON.stringify(error) ?? "unknown")
  ).replaceAll(/\s*\n\s*/g, " ");
}
