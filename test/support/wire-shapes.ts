/**
 * What clients of the 0.x years read of a host's messages: every member they need with its type, in
 * both dialects. More members are welcome to them, missing and wrong ones are not.
 * Source: lattice protocol reference, sections 6 to 9; captures of 0.82, sections 2 to 5.
 */
type Kind = "text" | "key" | "number" | "flag" | "texts" | "textMap" | "numberMap" | "list" | "object";
/** `?` behind a kind: null will do; absent never. */
type Member = Kind | `${Kind}?` | Shape | readonly [Shape];
export interface Shape {
  readonly [name: string]: Member;
}

const claimsOfActor: Shape = {
  call_alias: "text?",
  caps: "texts",
  expires_human: "text",
  issuer: "key",
  name: "text",
  not_before_human: "text",
  revision: "number?",
  tags: "texts?",
  version: "text?",
};
const claimsOfProvider: Shape = {
  expires_human: "text",
  issuer: "text",
  name: "text",
  not_before_human: "text",
  tags: "texts?",
  version: "text?",
};
const placed: Shape = { annotations: "textMap", host_id: "key", image_ref: "text", public_key: "key" };
const provider: Shape = { contract_id: "text", link_name: "text", public_key: "key" };
const startedProvider: Shape = { ...provider, annotations: "textMap", host_id: "key", instance_id: "text" };
const link: Shape = {
  actor_id: "key",
  contract_id: "text",
  link_name: "text",
  provider_id: "key",
  values: "textMap",
};

const instance: Shape = {
  annotations: "textMap",
  image_ref: "text",
  instance_id: "text",
  max_instances: "number",
  revision: "number",
};

/** Source: reference, section 6.2; captures, section 2. Providers of OTP have an instance id as well. */
export const inventoryShape: Shape = {
  actors: [{ id: "key", image_ref: "text", instances: [instance], name: "text" }],
  providers: [
    {
      annotations: "textMap",
      id: "key",
      image_ref: "text",
      contract_id: "text",
      link_name: "text",
      name: "text",
      revision: "number",
    },
  ],
  host_id: "key",
  issuer: "key",
  friendly_name: "text",
  labels: "textMap",
  version: "text",
  uptime_human: "text",
  uptime_seconds: "number",
};

/** Source: reference, section 6.1; captures, section 2. */
export const hostRecordShape: Shape = {
  cluster_issuers: "text",
  ctl_host: "text",
  friendly_name: "text",
  id: "key",
  issuer: "key",
  js_domain: "text?",
  labels: "textMap",
  lattice: "text",
  lattice_prefix: "text",
  rpc_host: "text",
  uptime_human: "text",
  uptime_seconds: "number",
  version: "text",
};

/** Source: reference, section 6.3; captures, section 2. Both spellings, all values text. */
const claimsRow: Shape = {
  iss: "text",
  issuer: "text",
  name: "text",
  rev: "text",
  revision: "text",
  sub: "key",
  subject: "key",
  version: "text",
};
export const actorClaimsRow: Shape = {
  ...claimsRow,
  call_alias: "text",
  capabilities: "text",
  caps: "text",
  tags: "text",
};
export const providerClaimsRow: Shape = { ...claimsRow, contract_id: "text", config_schema: "text" };
export const linksShape: Shape = { links: [link] };
export const ackShape: Shape = { accepted: "flag", error: "text" };
export const actorBidShape: Shape = { actor_ref: "text", constraints: "textMap", host_id: "key" };
export const providerBidShape: Shape = {
  constraints: "textMap",
  host_id: "key",
  link_name: "text",
  provider_ref: "text",
};

/** `data` by event. Source: reference, section 7; captures, section 5. */
export const eventShapes: Readonly<Record<string, Shape>> = {
  host_started: { friendly_name: "text", labels: "textMap", uptime_seconds: "number", version: "text" },
  host_stopped: { labels: "textMap" },
  host_heartbeat: inventoryShape,
  actor_started: {
    annotations: "textMap",
    api_version: "number",
    claims: claimsOfActor,
    image_ref: "text",
    instance_id: "text",
    public_key: "key",
  },
  actor_stopped: { annotations: "textMap", instance_id: "text", public_key: "key" },
  actor_start_failed: { actor_ref: "text", error: "text" },
  actors_started: { ...placed, claims: claimsOfActor, count: "number" },
  actors_start_failed: { annotations: "textMap", error: "text", host_id: "key", image_ref: "text", public_key: "text" },
  actors_stopped: { ...placed, count: "number", remaining: "number" },
  actor_scaled: { ...placed, claims: claimsOfActor, max_instances: "number" },
  actor_scale_failed: {
    annotations: "textMap",
    error: "text",
    host_id: "key",
    image_ref: "text",
    max_instances: "number",
    public_key: "text",
  },
  actor_updated: { instance_id: "text", public_key: "key", revision: "number" },
  actor_update_failed: { instance_id: "text", public_key: "key", reason: "text", revision: "number" },
  provider_started: { ...startedProvider, claims: claimsOfProvider, image_ref: "text" },
  provider_stopped: { ...startedProvider, reason: "text" },
  provider_start_failed: { error: "text", link_name: "text", provider_ref: "text" },
  health_check_passed: provider,
  health_check_failed: provider,
  health_check_status: provider,
  linkdef_set: { ...link, id: "text" },
  linkdef_deleted: { ...link, id: "text" },
  refmap_set: { oci_url: "text", public_key: "key" },
  config_set: { entity_id: "key", key: "text" },
  config_deleted: { entity_id: "key", key: "text" },
};

/** Heartbeats of OTP. Source: reference, section 8. */
export const otpHeartbeatShape: Shape = {
  actors: "numberMap",
  providers: [provider],
  labels: "textMap",
  friendly_name: "text",
  version: "text",
  uptime_seconds: "number",
  uptime_human: "text",
};

/** Whatever of `shape` is missing or of another type in `value`, each with its path; none is what a test wants. */
export function shapeProblems(value: unknown, shape: Shape, path = "it"): string[] {
  if (!isObject(value)) return [`${path} is no object`];
  return Object.entries(shape).flatMap(([name, member]) => {
    const at = `${path}.${name}`;
    if (!Object.hasOwn(value, name)) return [`${at} is missing`];
    return memberProblems(value[name], member, at);
  });
}

/** The same for a whole event message: envelope and data. */
export function eventProblems(payload: Uint8Array): string[] {
  let event: unknown;
  try {
    event = JSON.parse(Buffer.from(payload).toString("utf8"));
  } catch {
    return ["it is no JSON"];
  }
  const envelope = shapeProblems(event, {
    specversion: "text",
    id: "text",
    type: "text",
    source: "text",
    datacontenttype: "text",
    time: "text",
    data: "object",
  });
  if (envelope.length > 0) return envelope;
  const { specversion, type, source, datacontenttype, time, data } = event as Record<string, string>;
  const name = /^com\.wasmcloud\.lattice\.(\w+)$/.exec(type!)?.[1];
  // Events of our own are told under a prefix of ours, which clients pass over.
  if (name === undefined) return type!.startsWith("com.wasmlattice.") ? [] : [`type ${type} is unknown`];
  const shape = eventShapes[name];
  return [
    ...(specversion === "1.0" ? [] : ["specversion is not 1.0"]),
    ...(datacontenttype === "application/json" ? [] : ["datacontenttype is not JSON"]),
    ...(/^N[A-Z2-7]{55}$/.test(source!) ? [] : ["source is no host"]),
    ...(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(time!) ? [] : ["time is not RFC 3339"]),
    ...(shape ? shapeProblems(data, shape, name) : [`event ${name} is unknown`]),
  ];
}

function memberProblems(value: unknown, member: Member, path: string): string[] {
  if (isRows(member)) {
    if (!Array.isArray(value)) return [`${path} is no list`];
    return value.flatMap((each, index) => shapeProblems(each, member[0], `${path}[${index}]`));
  }
  if (typeof member === "object") return shapeProblems(value, member, path);
  if (member.endsWith("?") && value === null) return [];
  const kind = member.replace("?", "") as Kind;
  return checks[kind](value) ? [] : [`${path} is no ${kind}`];
}

const checks: Readonly<Record<Kind, (value: unknown) => boolean>> = {
  text: (value) => typeof value === "string",
  key: (value) => typeof value === "string" && /^[A-Z][A-Z2-7]{55}$/.test(value),
  number: (value) => Number.isInteger(value),
  flag: (value) => typeof value === "boolean",
  texts: (value) => Array.isArray(value) && value.every((each) => typeof each === "string"),
  textMap: (value) => isObject(value) && Object.values(value).every((each) => typeof each === "string"),
  numberMap: (value) => isObject(value) && Object.values(value).every((each) => Number.isInteger(each)),
  list: (value) => Array.isArray(value),
  object: isObject,
};

function isRows(member: Member): member is readonly [Shape] {
  return Array.isArray(member);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
