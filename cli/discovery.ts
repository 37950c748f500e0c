import { statSync, unlinkSync } from "node:fs";
import { basename } from "node:path";
import { fail } from "../lattice/index.ts";
import { HostClient } from "./client.ts";
import type { Options } from "./command.ts";
import { textOption } from "./command.ts";
import type { Output } from "./output.ts";

/** A control socket that a host answers on. */
export interface FoundHost {
  /** Name of the socket without `.sock`: the host's id. */
  readonly id: string;
  readonly socket: string;
}

/**
 * Every host of this user on this machine, the one started last in front. Sockets that nobody
 * listens on are what a killed host left: they are removed.
 */
export async function findHosts(): Promise<FoundHost[]> {
  const { listSockets } = await import("../host/index.ts");
  const sockets = await listSockets();
  for (const { path, alive } of sockets) if (!alive) removeStale(path);
  return sockets
    .filter(({ alive }) => alive)
    .map(({ id, path }) => ({ id, socket: path, since: statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0 }))
    .toSorted((a, b) => b.since - a.since);
}

function removeStale(socket: string): void {
  try {
    unlinkSync(socket);
  } catch {
    // Gone already, or not ours to remove: nothing depends on it.
  }
}

/** Where this command's host is: --socket, --host-id, or the hosts of this machine. */
export interface Choice {
  readonly socket: string | undefined;
  readonly hostId: string | undefined;
}

export function choiceOf(options: Options, env = process.env): Choice {
  return {
    socket: textOption(options, "socket") ?? (env.LATTICE_SOCKET || undefined),
    hostId: textOption(options, "hostId") ?? (env.LATTICE_HOST_ID || undefined),
  };
}

/**
 * The hosts that a command means: the one chosen, else all of this machine.
 * @throws LatticeError HOST_ABSENT when there is none; HOST_AMBIGUOUS when the id fits several.
 */
export async function hostsFor({ socket, hostId }: Choice): Promise<[FoundHost, ...FoundHost[]]> {
  if (socket !== undefined) return [{ id: basename(socket, ".sock"), socket }];
  const hosts = await findHosts();
  const fitting = hostId === undefined ? hosts : await thoseCalled(hostId, hosts);
  const [first, ...others] = fitting;
  if (first === undefined) {
    const { runDirectory } = await import("../host/index.ts");
    throw fail("HOST_ABSENT", hostId ?? runDirectory());
  }
  if (hostId !== undefined && others.length > 0) throw fail("HOST_AMBIGUOUS", fitting.map(({ id }) => id).join(", "));
  return [first, ...others];
}

/** By whole id, beginning of the id, or friendly name. */
async function thoseCalled(wanted: string, hosts: readonly FoundHost[]): Promise<FoundHost[]> {
  const byId = hosts.filter(({ id }) => id === wanted || id.startsWith(wanted.toUpperCase()));
  if (byId.length > 0) return byId;
  const named = await Promise.all(
    hosts.map(async (host) => {
      const { hosts: records } = await new HostClient(host.socket)
        .call("get.hosts", {}, 2_000)
        .catch(() => ({ hosts: [] }));
      const rows = Array.isArray(records) ? (records as { friendly_name?: string }[]) : [];
      return rows.some(({ friendly_name: name }) => name === wanted) ? [host] : [];
    }),
  );
  return named.flat();
}

/**
 * One host: the one chosen, the only one, or the one started last, saying which was taken and how to choose.
 * @throws LatticeError HOST_ABSENT; HOST_AMBIGUOUS with `careful`, for commands that end something.
 */
export async function oneHost(options: Options, output: Output, careful = false): Promise<HostClient> {
  const [host, ...others] = await hostsFor(choiceOf(options));
  if (others.length > 0) {
    if (careful) throw fail("HOST_AMBIGUOUS", [host, ...others].map(({ id }) => id).join(", "));
    output.note(
      `${others.length + 1} hosts run here; took ${host.id}, started last (choose with --host-id or --socket)`,
    );
  }
  return new HostClient(host.socket);
}
