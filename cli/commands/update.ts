import { Option } from "commander";
import { describe, fail, failFrom } from "../../lattice/index.ts";
import { textOf, type Document } from "../client.ts";
import { addAnnotationOption, annotationFilter, leaf, textOption, type Options } from "../command.ts";
import { parseDuration } from "../durations.ts";
import type { FoundHost } from "../discovery.ts";
import { referenceParameters } from "../files.ts";
import { addHostOptions, takeHostKey, timeoutOf } from "../host-command.ts";
import { askOrBegin, skipWait } from "../jobs.ts";
import { nameOf } from "../merge.ts";
import { Progress } from "../progress.ts";
import { hostsRunning } from "../things.ts";

/** For fetching, verifying and warming it. */
const usualTimeoutMs = 60_000;

export const command = () =>
  leaf({
    name: "update",
    summary: "replace a running actor by another revision of it, without losing a call",
    args: [["<words...>", "[actor] TARGET NEW: the running actor, and where its new module is"]],
    options: (made) => {
      addHostOptions(made);
      addAnnotationOption(made, "only the placements that were started with it");
      made
        .addOption(new Option("--all-hosts", "on every host that runs it, one after the other, until one fails"))
        .addOption(new Option("--force", "also to a revision that is not newer"))
        .addOption(new Option("--same-capabilities", "refuse a module that claims other capabilities"))
        .addOption(
          new Option("--trial <duration>", "how long the new module is watched; the one before returns when it fails"),
        )
        .addOption(skipWait());
    },
    work: async (call) => {
      const { output } = call;
      const { options, words } = takeHostKey({ ...call, args: [withoutKind(call.args.flat())] });
      const [target, reference] = words.filter((word) => !/^N[A-Z2-7]{55}$/.test(word));
      if (target === undefined || reference === undefined) throw fail("USAGE", "lattice update needs TARGET and NEW");
      const hosts = await hostsRunning(options, { kind: "actor", target, ...annotationFilter(options) });
      if (hosts.length > 1 && options.allHosts !== true) {
        const names = hosts.map(({ id }) => id).join(", ");
        throw fail(
          "USAGE",
          `${target} runs on ${hosts.length} hosts (${names}): choose one with --host-id, or update all with --all-hosts`,
        );
      }
      const trialMs = parseDuration(textOption(options, "trial") ?? "0s", "--trial");
      const parameters = { target, ...(await referenceParameters(reference)), ...wishes(options, trialMs) };
      const timeoutMs = timeoutOf(options) ?? usualTimeoutMs + trialMs;
      if (options.skipWait === true) {
        if (hosts.length > 1) throw fail("USAGE", notAtOnce(target, reference, hosts));
        const one = { host: hosts[0].client, options, output, timeoutMs };
        const answer = await askOrBegin(one, "update", `Updating ${target}`, parameters);
        return answer && output.show(answer, `Updated actor ${target}`, target);
      }
      const progress = new Progress(output);
      const done: FoundHost[] = [];
      let actor: Document = {};
      try {
        for (const host of hosts) {
          progress.step(hosts.length === 1 ? `Updating ${target}` : `Updating ${target} on ${nameOf(host)}`);
          const answer = await host.client.call("update", parameters, timeoutMs).catch((error: unknown) => {
            if (hosts.length === 1) throw error;
            throw halfDone(error, target, host, done, hosts);
          });
          actor = (answer.actor ?? {}) as Document;
          done.push(host);
        }
      } finally {
        progress.done();
      }
      const id = textOf(actor, "id");
      const where = done.length === 1 ? "" : ` on ${done.length} hosts`;
      const document = { actor, hosts: done.map((host) => ({ id: host.id })) };
      await output.show(document, `Updated actor ${textOf(actor, "name")} (${id})${where}`, id);
    },
  });

function wishes(options: Options, trialMs: number): object {
  const { force, sameCapabilities } = options;
  return {
    ...(force === true ? { force } : {}),
    ...(sameCapabilities === true ? { sameCapabilities } : {}),
    ...(trialMs === 0 ? {} : { trialMs }),
    ...annotationFilter(options),
  };
}

/** Of several hosts each shows that the new module is well before the next gets it: that is nothing to walk away from. */
function notAtOnce(target: string, reference: string, hosts: readonly FoundHost[]): string {
  const each = hosts.map(({ id }) => `lattice update ${target} ${reference} --host-id ${id} --skip-wait`);
  return `--all-hosts waits for each host before the next, so --skip-wait does not go with it: leave out --skip-wait, or begin on each by itself: ${each.join("; ")}`;
}

function withoutKind(words: readonly (string | undefined)[]): string[] {
  const given = words.filter((word) => word !== undefined);
  return given[0] === "actor" ? given.slice(1) : given;
}

/** Who was updated, who refused, who was not asked. */
function halfDone(
  error: unknown,
  target: string,
  at: FoundHost,
  done: readonly FoundHost[],
  hosts: readonly FoundHost[],
): Error {
  const left = hosts.slice(done.length + 1);
  const names = (some: readonly FoundHost[]) => some.map(nameOf).join(", ") || "no host";
  return failFrom(error, "UPDATE_STOPPED", target, nameOf(at), describe(error), names(done), names(left));
}
