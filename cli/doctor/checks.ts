import { constants, statSync } from "node:fs";
import { access, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { counted, describe } from "../../lattice/index.ts";
import type { Machine } from "./machine.ts";
import { lookAtNats } from "./nats.ts";
import { missingFeatures } from "./wasm-features.ts";

export type Status = "ok" | "warning" | "error";

/** One line of `lattice doctor`. */
export interface Finding {
  readonly name: string;
  readonly status: Status;
  readonly message: string;
  /** What to do; every warning and error has one. */
  readonly fix?: string;
}

type Verdict = Omit<Finding, "name">;
type Check = (machine: Machine) => Verdict | Promise<Verdict>;

const ok = (message: string): Verdict => ({ status: "ok", message });
const warning = (message: string, fix: string): Verdict => ({ status: "warning", message, fix });
const error = (message: string, fix: string): Verdict => ({ status: "error", message, fix });

const checks: Readonly<Record<string, Check>> = {
  node: ({ nodeVersion }) => {
    const [major = 0, minor = 0] = nodeVersion.split(".").map(Number);
    return major > 24 || (major === 24 && minor >= 20)
      ? ok(`Node ${nodeVersion}`)
      : error(`Node ${nodeVersion} cannot run actors`, "Install Node 24.20 or newer, or run npm ci in a checkout.");
  },

  jspi: ({ wasm }) =>
    typeof wasm.Suspending === "function" && typeof wasm.promising === "function"
      ? ok("JavaScript Promise Integration is on")
      : error("this Node lacks JavaScript Promise Integration", "Use Node 24.20 or newer without --no-wasm-jspi."),

  wasm: ({ wasm }) => {
    const missing = missingFeatures((bytes) => wasm.validate(bytes));
    return missing.length === 0
      ? ok("WebAssembly takes every accepted proposal")
      : error(
          `WebAssembly lacks ${missing.join(", ")}`,
          "Start Node without flags that turn WebAssembly features off.",
        );
  },

  "memory maps": ({ platform, readText }) => {
    if (platform !== "linux") return ok("not limited on this platform");
    const limit = Number(readText("/proc/sys/vm/max_map_count"));
    // An instance takes about 4.8 mappings, and 10 000 instances is the default limit.
    const instances = Math.max(0, Math.floor((limit - 1_000) / 5));
    return instances >= 10_000
      ? ok(`vm.max_map_count is ${limit}, enough for 10000 instances`)
      : warning(
          `vm.max_map_count is ${limit}, enough for about ${instances} instances`,
          "sysctl -w vm.max_map_count=65530",
        );
  },

  proc: ({ platform, readText }) => {
    if (platform !== "linux") return ok("not needed on this platform");
    return /^\d+ \d+/.test(readText("/proc/self/statm"))
      ? ok("/proc is readable")
      : error("/proc/self/statm holds no figures", "Mount proc at /proc: memory cannot be watched without it.");
  },

  keys: ({ keys, list, stat, uid }) => {
    let names: string[];
    try {
      names = list(keys);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === "ENOENT") return ok(`${keys} will be made with the first key`);
      return error(`cannot read ${keys}: ${describe(cause)}`, `Give the folder to this user: chown -R "$USER" ${keys}`);
    }
    const seeds = names.filter((name) => name.endsWith(".nk"));
    const open = [keys, ...seeds.map((name) => join(keys, name))].filter((file) => (stat(file).mode & 0o077) !== 0);
    if (uid !== undefined && stat(keys).uid !== uid) {
      return error(`${keys} belongs to another user`, `chown -R "$USER" ${keys}`);
    }
    return open.length === 0
      ? ok(`${counted(seeds.length, "key")} in ${keys}, readable by this user alone`)
      : error(`others may read ${open.join(", ")}`, `chmod 700 ${keys} && chmod 600 ${join(keys, "*.nk")}`);
  },

  state: ({ stateFolder }) => writable(stateFolder),

  run: async ({ runFolder, stat, uid }) => {
    const verdict = await writable(runFolder);
    if (verdict.status !== "ok") return verdict;
    let info: { mode: number; uid: number };
    try {
      info = stat(runFolder);
    } catch {
      return verdict;
    }
    if (uid !== undefined && info.uid !== uid)
      return error(`${runFolder} belongs to another user`, "Set XDG_RUNTIME_DIR.");
    return (info.mode & 0o077) === 0
      ? verdict
      : error(`others may enter ${runFolder}, where control sockets are`, `chmod 700 ${runFolder}`);
  },

  port: async ({ port, portWanted }) => {
    const why = await cannotListen(port);
    if (why === undefined) return ok(`port ${port} is free`);
    const fix = "Give another one with --port (0 takes any free one), or stop what uses it.";
    return (portWanted ? error : warning)(`cannot listen on port ${port}: ${why}`, fix);
  },

  clock: ({ now }) => {
    const says = new Date(now).toISOString();
    const sane = now > Date.UTC(2024, 0) && now < Date.UTC(2100, 0);
    return sane
      ? ok(`the clock says ${says}`)
      : error(`the clock says ${says}: tokens would count as expired or too early`, "Set the clock of this machine.");
  },

  nats: async ({ nats: { value, origin } }) => {
    if (value === "" || origin.endsWith(".json")) return ok("none configured; hosts stand alone");
    const { problem, server, version, jetStream, maxPayloadBytes } = await lookAtNats(value);
    const where = `${server} (from ${origin})`;
    if (problem?.code === "NATS_REFUSED")
      return error(`${where} refuses this user: ${describe(problem)}`, problem.hint ?? "Give other credentials.");
    if (problem !== undefined)
      return error(`${where} does not answer: ${describe(problem)}`, "Start the server, or unset it.");
    const answers = `${where} answers: NATS ${version}, payloads up to ${maxPayloadBytes} bytes`;
    return jetStream === true
      ? ok(`${answers}, with JetStream`)
      : warning(
          `${answers}, without JetStream: shared state is refused`,
          "Start it with JetStream (nats-server -js), or allow this user to reach it.",
        );
  },

  sockets: async ({ staleSockets }) => {
    const stale = await staleSockets();
    return stale.length === 0
      ? ok("no control socket is stale")
      : warning(`nobody listens on ${stale.join(", ")}`, "lattice get hosts clears them.");
  },
};

export const checkNames: readonly string[] = Object.keys(checks);

/** Runs every check; one that breaks is an error of its own. */
export async function examine(machine: Machine, only: readonly string[] = checkNames): Promise<Finding[]> {
  return Promise.all(
    only.map(async (name): Promise<Finding> => {
      try {
        const verdict = await checks[name]?.(machine);
        return { name, ...(verdict ?? error(`no check ${name}`, `Known: ${checkNames.join(", ")}`)) };
      } catch (cause) {
        return { name, ...error(`cannot tell: ${describe(cause)}`, "Look at what the message names.") };
      }
    }),
  );
}

/** Whether files can be made in `folder`, or the folder itself in the nearest one above it. */
async function writable(folder: string): Promise<Verdict> {
  const trial = join(folder, `.doctor-${process.pid}`);
  const fix = `Make it a folder of this user: mkdir -p ${folder} && chmod 700 ${folder}`;
  try {
    const above = nearestFolder(folder);
    if (above !== folder) {
      await access(above, constants.W_OK | constants.X_OK);
      return ok(`${folder} can be made`);
    }
    await writeFile(trial, "");
    return ok(`${folder} is writable`);
  } catch (cause) {
    return error(`cannot write to ${folder}: ${describe(cause)}`, fix);
  } finally {
    await rm(trial, { force: true }).catch(() => {});
  }
}

/** @throws when something that is no folder is in the way. */
function nearestFolder(folder: string): string {
  const info = statSync(folder, { throwIfNoEntry: false });
  if (info === undefined && folder !== dirname(folder)) return nearestFolder(dirname(folder));
  if (info?.isDirectory() !== true) throw new Error(`${folder} is no folder`);
  return folder;
}

function cannotListen(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.on("error", (cause: NodeJS.ErrnoException) =>
      resolve(cause.code === "EADDRINUSE" ? "it is in use" : describe(cause)),
    );
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}
