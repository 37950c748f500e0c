import { statSync, unlinkSync } from "node:fs";
import { basename } from "node:path";
import { fail, failFrom, isLatticeError } from "../lattice/index.ts";
import { type Document, type HostClient, rowsOf } from "./client.ts";
import type { Options } from "./command.ts";
import { textOption } from "./command.ts";
import { latticeChoice, type LatticeChoice, openLattice } from "./lattice-access.ts";
import type { Output } from "./output.ts";
import { SocketClient } from "./socket-client.ts";

/** A host that this command line can ask. */
export interface FoundHost {
  /** N key; of a socket that was named, the socket's file name. */
  readonly id: string;
  readonly client: HostClient;
  /** What it said of itself; only asked for where hosts are found on a lattice. */
  readonly record?: Document;
}

/**
 * Every host of this user on this machine, the one started last in front. Sockets that nobody
 * listens on are what a killed host left: they are removed.
 */
export async function findHosts(): Promise<(FoundHost & { readonly client: SocketClient })[]> {
  const { listSockets } = await import("../host/index.ts");
  const sockets = await listSockets();
  for (const { path, alive } of sockets) if (!alive) removeStale(path);
  return sockets
    .filter(({ alive }) => alive)
    .map(({ id, path }) => ({ id, path, since: statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0 }))
    .toSorted((a, b) => b.since - a.since)
    .map(({ id, path }) => ({ id, client: new SocketClient(path) }));
}

function removeStale(socket: string): void {
  try {
    unlinkSync(socket);
  } catch {
    // Gone already, or not ours to remove: nothing depends on it.
  }
}

/** Where this command's hosts are: --socket, a lattice, or this machine; and which of them is meant. */
export interface Choice {
  readonly socket: string | undefined;
  readonly hostId: string | undefined;
  readonly lattice: LatticeChoice | undefined;
}

export function choiceOf(options: Options, env = process.env): Choice {
  return {
    socket: textOption(options, "socket") ?? (env.LATTICE_SOCKET || undefined),
    hostId: textOption(options, "hostId") ?? (env.LATTICE_HOST_ID || undefined),
    lattice: latticeChoice(options),
  };
}

/**
 * The hosts that a command means: the one chosen, else all of the lattice, else all of this machine.
 * @throws LatticeError HOST_ABSENT when there is none; HOST_AMBIGUOUS when the id fits several.
 */
export async function hostsFor({ socket, hostId, lattice }: Choice): Promise<[FoundHost, ...FoundHost[]]> {
  if (socket !== undefined) return [{ id: basename(socket, ".sock"), client: new SocketClient(socket) }];
  const { hosts, where } = await everyHost(lattice, hostId);
  const fitting = hostId === undefined ? hosts : await thoseCalled(hostId, hosts);
  const [first, ...others] = fitting;
  if (first === undefined) throw fail("HOST_ABSENT", hostId === undefined ? where : `${hostId}, ${where}`);
  if (hostId !== undefined && others.length > 0) throw fail("HOST_AMBIGUOUS", fitting.map(({ id }) => id).join(", "));
  return [first, ...others];
}

/** A lattice that somebody asked for is the place to look; one that only wash's context names comes after this machine. */
async function everyHost(
  lattice: LatticeChoice | undefined,
  hostId: string | undefined,
): Promise<{ hosts: FoundHost[]; where: string }> {
  if (lattice?.asked) return latticeHosts(lattice, hostId);
  const local = await findHosts();
  if (local.length > 0 || lattice === undefined) {
    const { runDirectory } = await import("../host/index.ts");
    return { hosts: local, where: runDirectory() };
  }
  try {
    return await latticeHosts(lattice, hostId);
  } catch (error) {
    // Nobody asked for that lattice: that nothing runs here is what counts.
    if (!isLatticeError(error) || error.code !== "NATS_UNREACHABLE") throw error;
    const { runDirectory } = await import("../host/index.ts");
    throw failFrom(error, "HOST_ABSENT", `${runDirectory()}, nor on the lattice of wash's context: ${error.message}`);
  }
}

async function latticeHosts(
  lattice: LatticeChoice,
  hostId: string | undefined,
): Promise<{ hosts: FoundHost[]; where: string }> {
  const { LatticeClient } = await import("./lattice-client.ts");
  const { connection, subjects, hosts } = await openLattice(lattice).then((access) => ({
    connection: access.connection,
    subjects: access.subjects,
    hosts: () => access.hosts(),
  }));
  const where = `lattice ${lattice.lattice} on ${connection.describe().server}`;
  // A whole key needs no question to everybody.
  if (hostId !== undefined && /^N[A-Z2-7]{55}$/.test(hostId))
    return { hosts: [{ id: hostId, client: new LatticeClient(connection, subjects, hostId) }], where };
  const found = (await hosts()).flatMap((record) =>
    typeof record.id === "string"
      ? [{ id: record.id, record, client: new LatticeClient(connection, subjects, record.id) }]
      : [],
  );
  return { hosts: found, where };
}

/** By whole id, beginning of the id, or friendly name. */
async function thoseCalled(wanted: string, hosts: readonly FoundHost[]): Promise<FoundHost[]> {
  const byId = hosts.filter(({ id }) => id === wanted || id.startsWith(wanted.toUpperCase()));
  if (byId.length > 0) return byId;
  const named = await Promise.all(
    hosts.map(async (host) => {
      const rows = host.record ? [host.record] : await recordsOf(host);
      return rows.some(({ friendly_name: name }) => name === wanted) ? [host] : [];
    }),
  );
  return named.flat();
}

async function recordsOf({ client }: FoundHost): Promise<Document[]> {
  return rowsOf(await client.call("get.hosts", {}, 2_000).catch(() => ({ hosts: [] })), "hosts");
}

/**
 * One host: the one chosen, the only one, or the one started last, saying which was taken and how to choose.
 * @throws LatticeError HOST_ABSENT; HOST_AMBIGUOUS with `careful`, for commands that end something.
 */
export async function oneHost(options: Options, output?: Output, careful = false): Promise<HostClient> {
  const choice = choiceOf(options);
  const [host, ...others] = await hostsFor(choice);
  if (others.length > 0) {
    if (careful) throw fail("HOST_AMBIGUOUS", [host, ...others].map(({ id }) => id).join(", "));
    const [here, how] = choice.lattice?.asked ? ["", "--host-id"] : [" here", "--host-id or --socket"];
    output?.note(`${others.length + 1} hosts run${here}; took ${host.id}, choose with ${how}`);
  }
  return host.client;
}

/** The one host that answers to a word: its id, the beginning of it, or its name. */
export async function hostCalled(word: string, options: Options): Promise<HostClient | undefined> {
  try {
    const [{ client }] = await hostsFor({ ...choiceOf(options), hostId: word, socket: undefined });
    return client;
  } catch {
    return undefined;
  }
}
