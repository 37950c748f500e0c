import { lstatSync, readdirSync, unlinkSync } from "node:fs";
import { connect } from "node:net";
import { basename, join } from "node:path";
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
  /** When the socket was made, in milliseconds since 1970. */
  readonly since: number;
}

/** The folders that may hold sockets of this user's hosts. */
export async function socketFolders(): Promise<string[]> {
  const { runDirectory, shortRunDirectory } = await import("../host/index.ts");
  return [runDirectory(), shortRunDirectory()];
}

/**
 * Every host of this user on this machine, the one started last in front. Sockets that nobody
 * listens on are what a killed host left: they are removed.
 */
export async function findHosts(): Promise<FoundHost[]> {
  const { alive, stale } = await surveySockets();
  for (const { socket } of stale) removeStale(socket);
  return alive;
}

/** As `findHosts`, and touches nothing. */
export async function surveySockets(): Promise<{ alive: FoundHost[]; stale: FoundHost[] }> {
  const candidates = (await socketFolders()).flatMap(socketsIn);
  const states = await Promise.all(candidates.map(async (host) => ({ host, state: await probe(host.socket) })));
  const of = (wanted: ProbeState) => states.filter(({ state }) => state === wanted).map(({ host }) => host);
  return { alive: of("alive").toSorted((a, b) => b.since - a.since), stale: of("stale") };
}

function socketsIn(folder: string): FoundHost[] {
  let names: string[];
  try {
    const info = lstatSync(folder);
    // Another user's folder in a shared place would lend us hosts that are not ours.
    if (!info.isDirectory() || info.uid !== (process.getuid?.() ?? info.uid)) return [];
    names = readdirSync(folder);
  } catch {
    return [];
  }
  return names.flatMap((name) => {
    const socket = join(folder, name);
    const info = name.endsWith(".sock") ? lstatSync(socket, { throwIfNoEntry: false }) : undefined;
    return info?.isSocket() ? [{ id: basename(name, ".sock"), socket, since: info.mtimeMs }] : [];
  });
}

type ProbeState = "alive" | "stale" | "unknown";

function probe(socket: string): Promise<ProbeState> {
  return new Promise((resolve) => {
    const connection = connect(socket);
    const settle = (state: ProbeState) => {
      connection.destroy();
      resolve(state);
    };
    connection.setTimeout(1_000, () => settle("unknown"));
    connection.on("connect", () => settle("alive"));
    connection.on("error", ({ code }: NodeJS.ErrnoException) => settle(code === "ECONNREFUSED" ? "stale" : "unknown"));
  });
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
  if (socket !== undefined) return [{ id: basename(socket, ".sock"), socket, since: 0 }];
  const hosts = await findHosts();
  const fitting = hostId === undefined ? hosts : await thoseCalled(hostId, hosts);
  const [first, ...others] = fitting;
  if (first === undefined) throw fail("HOST_ABSENT", hostId ?? (await socketFolders())[0] ?? "this machine");
  if (hostId !== undefined && others.length > 0) throw fail("HOST_AMBIGUOUS", fitting.map(({ id }) => id).join(", "));
  return [first, ...others];
}

/** By whole id, beginning of the id, or friendly name. */
async function thoseCalled(wanted: string, hosts: readonly FoundHost[]): Promise<FoundHost[]> {
  const byId = hosts.filter(({ id }) => id === wanted || id.startsWith(wanted.toUpperCase()));
  if (byId.length > 0) return byId;
  const named = await Promise.all(
    hosts.map(async (host) => {
      const { hosts: records } = await new HostClient(host.socket).call("get.hosts", {}, 2_000).catch(() => ({ hosts: [] }));
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
    output.note(`${others.length + 1} hosts run here; took ${host.id}, started last (choose with --host-id or --socket)`);
  }
  return new HostClient(host.socket);
}
