import type { Inventory } from "../inventory.ts";

/**
 * The inventory without what only our own clients read.
 * Source: lattice protocol reference, section 6.2.
 */
export function inventoryAsIn82({ actors, providers, ...host }: Inventory) {
  const { host_id, friendly_name, issuer, labels, version, uptime_human, uptime_seconds } = host;
  return {
    host_id,
    friendly_name,
    issuer,
    labels,
    version,
    uptime_human,
    uptime_seconds,
    actors: actors.map(({ id, name, image_ref, instances }) => ({
      id,
      name,
      image_ref,
      instances: instances.map(
        ({ instance_id, annotations, image_ref: from, revision, max_instances, max_concurrent }) => ({
          instance_id,
          annotations,
          image_ref: from,
          revision,
          max_instances,
          max_concurrent,
        }),
      ),
    })),
    providers: providers.map(({ id, name, contract_id, link_name, image_ref, revision, annotations }) => ({
      id,
      name,
      contract_id,
      link_name,
      image_ref,
      revision,
      annotations,
    })),
  };
}

/**
 * What hosts of OTP told with a heartbeat: how many of which actor. Clients of either year read it.
 * Source: lattice protocol reference, section 8.
 */
export function heartbeatAsInOtp({ actors, providers, ...host }: Inventory) {
  const { friendly_name, labels, version, uptime_human, uptime_seconds } = host;
  return {
    actors: Object.fromEntries(
      actors.map(({ id, instances }) => [id, instances.reduce((sum, each) => sum + each.max_instances, 0)]),
    ),
    providers: providers.map(({ id, link_name, contract_id }) => ({ public_key: id, link_name, contract_id })),
    friendly_name,
    labels,
    version,
    uptime_human,
    uptime_seconds,
  };
}
