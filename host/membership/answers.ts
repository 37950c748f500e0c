import { hostRecord } from "../inventory.ts";
import { linkJson } from "../shown-rows.ts";
import type { Desk } from "./desk.ts";

/**
 * A host's answer to a ping of all.
 * Source: lattice protocol reference, section 6.1; captures of 0.82, section 2.
 */
export function hostAnswer({ host, cluster, servers }: Desk): object {
  const { id, lattice, ...record } = hostRecord(host);
  return {
    id,
    issuer: cluster,
    lattice,
    lattice_prefix: lattice,
    cluster_issuers: [cluster, ...host.config.membership.clusterIssuers.filter((each) => each !== cluster)].join(","),
    ctl_host: servers.control,
    rpc_host: servers.rpc,
    prov_rpc_host: servers.rpc,
    js_domain: null,
    ...record,
  };
}

/**
 * The links of the lattice; values that may be secrets are redacted unless the host is told otherwise.
 * Source: captures of 0.82, section 2.
 */
export function linkAnswer({ host }: Desk): object {
  const clear = host.config.membership.clearLinkValues;
  const links = [...host.wanted.links.values()]
    .filter(({ spec }) => spec.placement === undefined)
    .map((link) => {
      const { urls: _urls, id: _id, ...shown } = linkJson(link);
      return clear ? { ...shown, values: link.spec.values } : shown;
    });
  return { links };
}
