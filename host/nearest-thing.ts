import { fromWire, isLatticeError } from "../lattice/index.ts";
import type { Host } from "./host.ts";
import { didYouMean } from "./nearest-name.ts";
import type { Verb, Verbs } from "./verb-table.ts";

/** Parameters that name an actor or a provider. */
const naming = ["target", "actor", "provider"] as const;

/** Verbs whose refusal of a name that nothing has says which name is near, here or on another host. */
export function withNearestNames(host: Host, verbs: Verbs): Verbs {
  return Object.fromEntries(
    Object.entries(verbs).map(([name, verb]): [string, Verb] => [
      name,
      {
        ...verb,
        run: async (params, context) => {
          try {
            return await verb.run(params, context);
          } catch (error) {
            throw withNearest(host, params, error);
          }
        },
      },
    ]),
  );
}

function withNearest(host: Host, params: unknown, error: unknown): unknown {
  if (!isLatticeError(error) || !["ACTOR_ABSENT", "PROVIDER_ABSENT"].includes(error.code)) return error;
  const given = params as Readonly<Record<string, unknown>> | null;
  const words = naming.flatMap((name) => {
    const word = given?.[name];
    return typeof word === "string" && error.message.includes(word) ? [word] : [];
  });
  const [word] = words;
  const known = names(host, error.code === "ACTOR_ABSENT");
  // What is called so already lacks something else.
  const near = word === undefined || known.has(word) ? "" : didYouMean(word, known);
  return near === "" ? error : fromWire({ ...error.toWire(), message: error.message + near });
}

/** What actors or providers are called here and on the hosts that are known. */
function names({ wanted, fleet }: Host, actors: boolean): ReadonlySet<string> {
  const peers = fleet.caller.tables.peers.all();
  const found = actors
    ? [
        ...[...wanted.placements.values()].flatMap(({ spec: { module } }) => [
          module.claims.name,
          module.claims.callAlias,
        ]),
        ...peers.flatMap((peer) => peer.actors.flatMap(({ name, alias }) => [name, alias])),
      ]
    : [
        ...[...wanted.providers.values()].flatMap(({ spec: { name, contractId } }) => [name, contractId]),
        ...peers.flatMap((peer) => peer.providers.flatMap(({ name, contractId }) => [name, contractId])),
      ];
  return new Set(found.flatMap((name) => (name === undefined ? [] : [name, ...parts(name)])));
}

/** What may stand for a name: its words, and what follows its last `:` or `/`. */
function parts(name: string): string[] {
  return name.split(/[\s:/]+/).filter((part) => part.length > 2);
}
