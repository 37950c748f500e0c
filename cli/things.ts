import { fail } from "../lattice/index.ts";
import { type Document, rowsOf, textOf } from "./client.ts";
import type { Options } from "./command.ts";
import { choiceOf, type FoundHost, hostsFor } from "./discovery.ts";

/** An actor or a provider, by whatever names it. */
export interface Thing {
  readonly kind: "actor" | "provider" | "any";
  readonly target: string;
  /** Only one that was started with all of these. */
  readonly annotations?: Readonly<Record<string, string>>;
}

/**
 * The hosts that run a thing, when there are several to choose from. None runs it: the first one, whose
 * refusal says so.
 * @throws LatticeError HOST_ABSENT; ACTOR_AMBIGUOUS when hosts run different things that fit equally well.
 */
export async function hostsRunning(options: Options, thing: Thing): Promise<[FoundHost, ...FoundHost[]]> {
  const hosts = await hostsFor(choiceOf(options));
  const [first, ...others] = hosts;
  if (others.length === 0) return [first];
  const found = await search(hosts, thing);
  oneKey(thing.target, found);
  const [running, ...more] = new Set(found.map(({ host }) => host));
  return running ? [running, ...more] : [first];
}

/**
 * The key of the actor that `target` means on any of these hosts; undefined when none of them runs one.
 * @throws LatticeError ACTOR_AMBIGUOUS when it fits several equally well; what a host failed with when none answers.
 */
export async function actorKeyOn(hosts: readonly FoundHost[], target: string): Promise<string | undefined> {
  return oneKey(target, await search(hosts, { kind: "actor", target }));
}

interface Found {
  readonly host: FoundHost;
  readonly row: Document;
}

/** What fits best on all hosts together: a whole name on one goes before the beginning of another's elsewhere. */
async function search(hosts: readonly FoundHost[], { kind, target, annotations = {} }: Thing): Promise<Found[]> {
  const { match } = await import("../host/index.ts");
  const answers = await Promise.allSettled(hosts.map(({ client }) => client.call("get.inventory", {}, 5_000)));
  const rows = answers.flatMap((answer, at) => {
    const inventories = answer.status === "fulfilled" ? rowsOf(answer.value, "inventories") : [];
    return inventories.flatMap((inventory) =>
      [
        ...(kind === "provider" ? [] : rowsOf(inventory, "actors")),
        ...(kind === "actor" ? [] : rowsOf(inventory, "providers")),
      ].map((row) => ({ host: hosts[at]!, row })),
    );
  });
  const failed = answers.find((answer) => answer.status === "rejected");
  if (rows.length === 0 && failed && answers.every(({ status }) => status === "rejected")) throw failed.reason;
  const fitting = rows.filter(({ row }) => isAnnotated(row, annotations));
  return target === "" ? [] : [...match(fitting, ({ row }) => namesOf(row), target)];
}

/** @throws LatticeError ACTOR_AMBIGUOUS. */
function oneKey(target: string, found: readonly Found[]): string | undefined {
  const several = new Map(found.map(({ row }) => [textOf(row, "id") ?? "", textOf(row, "name") ?? ""]));
  if (several.size > 1)
    throw fail("ACTOR_AMBIGUOUS", target, [...several].map(([key, name]) => `${name} (${key})`).join(", "));
  return several.keys().next().value;
}

/** Whether a provider, or one of an actor's placements, was started with all of these. */
function isAnnotated(row: Document, wanted: Readonly<Record<string, string>>): boolean {
  return [row, ...rowsOf(row, "instances")].some(({ annotations }) => {
    const has = (annotations ?? {}) as Readonly<Record<string, unknown>>;
    return Object.entries(wanted).every(([name, value]) => has[name] === value);
  });
}

function namesOf(row: Document): (string | undefined)[] {
  const contract = textOf(row, "contract_id");
  return [textOf(row, "id"), textOf(row, "name"), textOf(row, "call_alias"), contract, contract?.split(":").at(-1)];
}

/** Whether a row of an inventory may be called `target`: by key, alias, name, contract, or their beginning. */
export function isCalled(row: Document, target: string): boolean {
  const wanted = target.toLowerCase();
  return namesOf(row).some((value) => {
    const name = value?.toLowerCase();
    if (name === undefined) return false;
    return name.startsWith(wanted) || name.split(/[^\p{L}\p{N}]+/u).some((word) => word.startsWith(wanted));
  });
}
