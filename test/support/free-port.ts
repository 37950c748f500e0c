import { createServer } from "node:net";

/** Ports below those that systems give to whoever asks for any: Linux from 32 768, gVisor from 16 000, others from 49 152. */
const lowest = 10_000;
const count = 6_000;

/** Where this process looks next. Test files run side by side, each in a process of its own. */
let next = (process.pid * 89) % count;

/**
 * A port of 127.0.0.1 that is free now and is not given to others by chance before the caller listens
 * on it, as one would be that the system chose: every connection from this machine takes such a one.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < count; tries++) {
    const port = lowest + next;
    next = (next + 1) % count;
    if (await isFree(port)) return port;
  }
  throw new Error("no free port");
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
      .once("error", () => resolve(false))
      .listen(port, "127.0.0.1", () => void server.close(() => resolve(true)));
  });
}
