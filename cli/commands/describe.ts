import { isLatticeError } from "../../lattice/index.ts";
import type { Document, HostClient } from "../client.ts";
import { leaf, type Options } from "../command.ts";
import { hostCalled, oneHost } from "../discovery.ts";
import { addHostOptions, hostOf, takeHostKey, timeoutOf } from "../host-command.ts";
import type { Output } from "../output.ts";
import { renderTree } from "../views.ts";

export const command = () =>
  leaf({
    name: "describe",
    summary: "show one actor, provider or host in full",
    args: [["<target...>", "key, alias, name or their beginning; `host` for the host; a kind before it is allowed"]],
    options: addHostOptions,
    work: async (call) => {
      const { words, options } = takeHostKey(call);
      const document = await described(words, options, call.output);
      await call.output.show(document, renderTree(document), words.at(-1) ?? "host");
    },
  });

/** A word that is neither an actor nor a provider may name a host. */
async function described(words: readonly string[], options: Options, output: Output): Promise<Document> {
  const [first = "host", second] = words;
  const ask = (host: HostClient, target: string) => host.call("describe", { target }, timeoutOf(options));
  if (first === "host")
    return ask(await oneHost(second === undefined ? options : { ...options, hostId: second }, output), "host");
  const target = second ?? first;
  const kind = second !== undefined && (first === "actor" || first === "provider") ? first : "any";
  try {
    return await ask(await hostOf(options, { kind, target }, output), target);
  } catch (error) {
    const host = kind === "any" && isAbsent(error) ? await hostCalled(target, options) : undefined;
    if (!host) throw error;
    return ask(host, "host");
  }
}

function isAbsent(error: unknown): boolean {
  return isLatticeError(error) && (error.code === "ACTOR_ABSENT" || error.code === "PROVIDER_ABSENT");
}
