import { spawn } from "node:child_process";
import { once } from "node:events";
import { hasCommand, repositoryFile } from "./processes.ts";

export interface Load {
  readonly url: string;
  readonly connections: number;
  readonly seconds: number;
  /** A body to POST; without one it is GET. */
  readonly body?: string;
}

const haveWrk = hasCommand("wrk");

/** What loads the HTTP rows, for their notes. */
export const loaderName = haveWrk ? "wrk, one thread" : "bench/load/generator.ts on raw sockets (wrk is not installed)";

/** Keeps `connections` busy, closed loop, from another process; answers requests per second. @throws Error on any failed request. */
export async function requestsPerSecond(load: Load): Promise<number> {
  return haveWrk ? wrk(load) : (await generate(load)).perSecond;
}

async function wrk({ url, connections, seconds, body }: Load): Promise<number> {
  const post = body === undefined ? [] : ["-s", repositoryFile("bench/load/post.lua")];
  const args = ["-t1", `-c${connections}`, `-d${Math.max(1, Math.round(seconds))}s`, ...post, url];
  const text = await output("wrk", body === undefined ? args : [...args, "--", body]);
  const failed = /Non-2xx[^\d]*(\d+)|Socket errors: (.*)/.exec(text);
  if (failed) throw new Error(`${url}: ${failed[0]}`);
  const rate = Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]);
  if (!(rate > 0)) throw new Error(`wrk said no rate: ${text}`);
  return rate;
}

export interface Generated {
  readonly perSecond: number;
  /** From the moment a request was due, in milliseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** Our own generator in a process of its own; with `ratePerSecond` an open loop, which does not wait for answers. */
export async function generate(load: Load & { readonly ratePerSecond?: number }): Promise<Generated> {
  const text = await output(process.execPath, [repositoryFile("bench/load/generator.ts"), JSON.stringify(load)]);
  return JSON.parse(text) as Generated;
}

async function output(command: string, args: readonly string[]): Promise<string> {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  let complaint = "";
  child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (complaint += chunk.toString()));
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`${command} ended with ${code}: ${complaint.trim().slice(-1_000)}`);
  return text;
}
