import { readFileSync, readdirSync, statSync } from "node:fs";
import { setting, type Setting } from "../context.ts";

/** What the checks look at, so that a test can plant each fault. */
export interface Machine {
  readonly nodeVersion: string;
  readonly platform: string;
  readonly uid: number | undefined;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Port that HTTP actors get; `portWanted` when the user named it. */
  readonly port: number;
  readonly portWanted: boolean;
  readonly keys: string;
  readonly stateFolder: string;
  readonly runFolder: string;
  readonly nats: Setting;
  /** The WebAssembly engine, or what a test leaves of it. */
  readonly wasm: {
    readonly Suspending?: unknown;
    readonly promising?: unknown;
    validate(bytes: Uint8Array): boolean;
  };
  readonly readText: (file: string) => string;
  /** Names in a folder; throws when it is not there. */
  readonly list: (folder: string) => string[];
  /** Permission bits and owner. */
  readonly stat: (file: string) => { readonly mode: number; readonly uid: number };
  readonly staleSockets: () => Promise<readonly string[]>;
}

export async function thisMachine(port: number, portWanted: boolean): Promise<Machine> {
  const { stateDirectory, runDirectory, listSockets } = await import("../../host/index.ts");
  return {
    nodeVersion: process.versions.node,
    platform: process.platform,
    uid: process.getuid?.(),
    now: Date.now(),
    port,
    portWanted,
    keys: setting("keys").value,
    stateFolder: stateDirectory(),
    runFolder: runDirectory(),
    nats: setting("nats"),
    wasm: WebAssembly,
    readText: (file) => readFileSync(file, "utf8"),
    list: (folder) => readdirSync(folder),
    stat: (file) => {
      const { mode, uid } = statSync(file);
      return { mode: mode & 0o777, uid };
    },
    staleSockets: async () => (await listSockets()).filter(({ alive }) => !alive).map(({ path }) => path),
  };
}
