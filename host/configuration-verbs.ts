import { fail } from "../lattice/index.ts";
import { withoutSecrets } from "./harmless.ts";
import type { NamedConfiguration } from "./configurations.ts";
import type { Host } from "./host.ts";
import { text, textMap } from "./parameters.ts";
import { type Verbs, verb } from "./verb-table.ts";

const name = text({ max: 64 });

/** Named configurations of the lattice, or of a host that stands alone. */
export function configurationVerbs(host: Host): Verbs {
  return {
    "config.put": verb({
      name: "config.put",
      summary: "Sets all values of a named configuration; links that use it take effect with them.",
      params: { name, values: textMap() },
      run: async ({ name: called, values }) => {
        const put = await host.configurations.put(called, values);
        const problems = await host.links.configurationChanged(called);
        host.events.emit("config_set", { key: called });
        return { configuration: shown(host, put), problems };
      },
    }),
    "config.get": verb({
      name: "config.get",
      summary: "A named configuration and the links that use it.",
      reads: true,
      params: { name },
      run: async ({ name: called }) => ({ configuration: shown(host, host.configurations.get(called)) }),
    }),
    "config.list": verb({
      name: "config.list",
      summary: "Named configurations.",
      reads: true,
      params: {},
      run: async () => ({ configurations: host.configurations.all.map((each) => shown(host, each)) }),
    }),
    "config.del": verb({
      name: "config.del",
      summary: "Deletes a named configuration that no link uses.",
      params: { name },
      run: async ({ name: called }) => {
        host.configurations.get(called);
        const users = host.links.using(called).length;
        if (users > 0) throw fail("CONFIGURATION_USED", called, users);
        await host.configurations.delete(called);
        host.events.emit("config_deleted", { key: called });
        return { configuration: { name: called } };
      },
    }),
  };
}

/** References to secrets stand as they are; what looks like a secret itself is not repeated. */
function shown(host: Host, { name: called, values, revision }: NamedConfiguration) {
  return {
    name: called,
    revision,
    values: Object.fromEntries(Object.entries(values).map(([key, value]) => [key, withoutSecrets(value)])),
    links: host.links.using(called).map(({ actor, provider, contractId, linkName }) => ({
      actor_id: actor,
      provider_id: provider,
      contract_id: contractId,
      link_name: linkName,
    })),
  };
}
