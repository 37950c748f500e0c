import { JsonFields } from "../json-fields.ts";
import type { Texts } from "../json-fields.ts";
import type { LinkDefinition } from "../links.ts";
import { pack, unpack } from "../msgpack.ts";

/**
 * What a host and a provider process of the 0.x years say to each other, apart from invocations.
 * Source: lattice protocol reference, sections 2 and 11; captures of 0.82, section 7.
 */

/** Body of `linkdefs.put` and `.del`: a MessagePack map, its members in the order of 0.82. No reply comes. */
export function encodeLinkMessage({ actor, provider, linkName, contractId, values }: LinkDefinition): Uint8Array {
  const members = { actor_id: actor, provider_id: provider, link_name: linkName, contract_id: contractId, values };
  return pack(members, "a link");
}

/** @throws LatticeError PAYLOAD_MALFORMED, REQUEST_INVALID naming the member. */
export function decodeLinkMessage(payload: Uint8Array): LinkDefinition {
  return readLinkFields(new JsonFields(unpack(payload, "a link"), "a link message"));
}

/** A link as messages, events and lists spell it; also `linkdefs.put` of the control interface. */
export function readLinkFields(fields: JsonFields): LinkDefinition {
  return {
    actor: fields.text("actor_id"),
    provider: fields.text("provider_id"),
    contractId: fields.text("contract_id"),
    linkName: fields.text("link_name"),
    values: fields.texts("values"),
  };
}

/** Values as events show them: names stay, what they say does not. */
export function redactedValues(values: Texts): Texts {
  return Object.fromEntries(Object.keys(values).map((name) => [name, "[redacted]"]));
}

/** `data` of `linkdef_set` and `linkdef_deleted`. `clear` is the old form, with the values as they are. */
export function linkEventData(id: string, link: LinkDefinition, { clear = false }: { clear?: boolean } = {}) {
  const { actor, provider, contractId, linkName, values } = link;
  return {
    actor_id: actor,
    contract_id: contractId,
    id,
    link_name: linkName,
    provider_id: provider,
    values: clear ? values : redactedValues(values),
  };
}

/** Body of a health request that OTP and 0.82 providers both answer. */
export const healthRequest: Uint8Array = pack({ placeholder: true }, "a health request");

export interface ProviderHealth {
  readonly healthy: boolean;
  readonly message: string | undefined;
}

/** @throws LatticeError PAYLOAD_MALFORMED, REQUEST_INVALID when it does not say whether it is well. */
export function decodeHealth(payload: Uint8Array): ProviderHealth {
  const fields = new JsonFields(unpack(payload, "a health reply"), "a health reply");
  return { healthy: fields.flag("healthy"), message: fields.optionalText("message") };
}

/** Body of a shutdown request. It is not signed: a provider process obeys whoever names its host. */
export function encodeShutdown(host: string): Uint8Array {
  return Buffer.from(JSON.stringify({ host_id: host }));
}

/** What a provider process is told when it starts. Times in milliseconds. */
export interface ProviderStart {
  readonly host: string;
  readonly lattice: string;
  readonly linkName: string;
  /** V key. */
  readonly provider: string;
  readonly instanceId: string;
  readonly rpcUrl: string;
  /** Credentials for the servers; empty when they ask for none. Secret. */
  readonly userJwt: string;
  readonly userSeed: string;
  /** Seed of the key that signs this provider's invocations: one of its own, in the cluster issuers. Secret. */
  readonly invocationSeed: string;
  readonly clusterIssuers: readonly string[];
  readonly links: readonly LinkDefinition[];
  readonly configuration?: string;
  readonly rpcTimeoutMs: number;
  readonly structuredLogging: boolean;
  readonly logLevel?: string;
  readonly tls?: boolean;
  /** JetStream domain in which its large payloads are stored. */
  readonly jetStreamDomain?: string;
}

/**
 * The line for the standard input of a provider process: base64 of JSON and a line end. After it 0.82
 * ends the input. Absent members are left out, as 0.82 has it.
 * Source: captures of 0.82, section 7.
 */
export function providerStartLine(start: ProviderStart): string {
  const data = {
    host_id: start.host,
    lattice_rpc_prefix: start.lattice,
    link_name: start.linkName,
    lattice_rpc_user_jwt: start.userJwt,
    lattice_rpc_user_seed: start.userSeed,
    lattice_rpc_url: start.rpcUrl,
    lattice_rpc_tls: start.tls === true ? 1 : 0,
    provider_key: start.provider,
    invocation_seed: start.invocationSeed,
    env_values: {},
    instance_id: start.instanceId,
    link_definitions: start.links.map(({ actor, provider, linkName, contractId, values }) => ({
      actor_id: actor,
      provider_id: provider,
      link_name: linkName,
      contract_id: contractId,
      values,
    })),
    cluster_issuers: start.clusterIssuers,
    config_json: start.configuration,
    default_rpc_timeout_ms: start.rpcTimeoutMs,
    structured_logging: start.structuredLogging,
    log_level: start.logLevel,
    js_domain: start.jetStreamDomain,
    otel_config: { traces_exporter: null, exporter_otlp_endpoint: null },
  };
  return `${Buffer.from(JSON.stringify(data)).toString("base64")}\r\n`;
}
