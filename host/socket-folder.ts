import { chmodSync, lstatSync, mkdirSync, readdirSync, unlinkSync } from "node:fs";
import { connect } from "node:net";
import { basename, join } from "node:path";
import { describe, fail, failFrom } from "../lattice/index.ts";
import { runDirectory, shortRunDirectory } from "./state-directory.ts";

/** Longest path of a socket address in bytes: 107 on Linux, 103 on the BSDs and macOS. */
export const longestSocketPath = 103;

/** A control socket found on this machine. */
export interface FoundSocket {
  /** File name without `.sock`: the host's id. */
  readonly id: string;
  readonly path: string;
  /** False for what a killed host left behind. */
  readonly alive: boolean;
}

/** Where the socket of host `id` belongs: in the run directory, or where paths are shorter. */
export function socketPath(id: string): string {
  const usual = join(runDirectory(), `${id}.sock`);
  return Buffer.byteLength(usual) <= longestSocketPath ? usual : join(shortRunDirectory(), `${id}.sock`);
}

/** Sockets of this user's hosts, wherever `socketPath` puts them. */
export async function listSockets(): Promise<FoundSocket[]> {
  const found = [runDirectory(), shortRunDirectory()].flatMap(socketsIn);
  return await Promise.all(
    found.map(async (path) => ({ id: basename(path, ".sock"), path, alive: await isAlive(path) })),
  );
}

/**
 * Makes the folder of a control socket, open to this user alone, and clears what killed hosts left in it.
 * @throws LatticeError PRECONDITION when it belongs to somebody else or is no folder.
 */
export async function prepareFolder(folder: string): Promise<void> {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const info = lstatSync(folder);
    if (!info.isDirectory()) throw new Error("it is not a folder");
    if (info.uid !== userId()) throw new Error(`it belongs to user ${info.uid}`);
    if ((info.mode & 0o077) !== 0) chmodSync(folder, 0o700);
  } catch (error) {
    throw failFrom(
      error,
      "PRECONDITION",
      `cannot keep control sockets in ${folder}: ${describe(error)}; XDG_RUNTIME_DIR names another folder, lattice doctor tells more`,
    );
  }
  await Promise.all(socketsIn(folder).filter(isSettled).map(clearStale));
}

/**
 * Removes the socket at `path` if nobody listens on it.
 * @throws LatticeError ALREADY_RUNNING when somebody does, PRECONDITION when it is no socket.
 */
export async function clearPath(path: string): Promise<void> {
  const info = lstatSync(path, { throwIfNoEntry: false });
  if (!info) return;
  if (!info.isSocket()) throw fail("PRECONDITION", `${path} is in the way: it is not a socket`);
  if (!(await clearStale(path))) throw fail("ALREADY_RUNNING", `a host with the control socket ${path}`);
}

/** @throws LatticeError OPTION_OUT_OF_RANGE */
export function checkPath(path: string): void {
  const size = Buffer.byteLength(path);
  if (size > longestSocketPath) {
    throw fail("OPTION_OUT_OF_RANGE", "controlSocket", `${size} bytes long`, `at most ${longestSocketPath} bytes`);
  }
}

function socketsIn(folder: string): string[] {
  try {
    const info = lstatSync(folder);
    // In a shared place a folder of somebody else could lend us hosts that are not ours.
    if (!info.isDirectory() || info.uid !== userId()) return [];
    return readdirSync(folder)
      .filter((name) => name.endsWith(".sock"))
      .map((name) => join(folder, name))
      .filter((path) => lstatSync(path, { throwIfNoEntry: false })?.isSocket());
  } catch {
    return [];
  }
}

/** A socket refuses between its making and its first listening moment; one that young is left alone. */
function isSettled(path: string): boolean {
  const info = lstatSync(path, { throwIfNoEntry: false });
  return info !== undefined && Date.now() - info.mtimeMs > 2_000;
}

/** True when the socket was stale and is gone now. */
async function clearStale(path: string): Promise<boolean> {
  if (await isAlive(path)) return false;
  try {
    unlinkSync(path);
  } catch {
    // Another host cleared it at the same moment.
  }
  return true;
}

/** Whether somebody listens; a host too busy to accept counts as alive, only a refusal says that it is gone. */
async function isAlive(path: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const connection = connect(path);
  connection.setTimeout(1_000, () => resolve(true));
  connection.once("connect", () => resolve(true));
  connection.once("error", ({ code }: NodeJS.ErrnoException) => resolve(code !== "ECONNREFUSED" && code !== "ENOENT"));
  try {
    return await promise;
  } finally {
    connection.destroy();
  }
}

const userId = (): number => process.getuid?.() ?? 0;
