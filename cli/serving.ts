import type { Host } from "../host/index.ts";
import { keepCompiled } from "../lattice/index.ts";
import { exitCodeOf, onInterrupt } from "./interrupt.ts";
import type { Output } from "./output.ts";
import { Progress } from "./progress.ts";

/**
 * Stays until the host has ended: on Ctrl-C or SIGTERM it drains, telling how far; a second one ends
 * at once with 130. Also returns when a control command stops the host.
 */
export async function serveUntilStopped(host: Host, output: Output): Promise<void> {
  keepCompiled();
  const stopped = whenStopped(host);
  const { promise: interrupted, resolve } = Promise.withResolvers<void>();
  onInterrupt(() => {
    onInterrupt((again) => process.exit(exitCodeOf(again)));
    resolve();
  });
  await Promise.race([stopped, interrupted]);
  await drain(host, output);
  onInterrupt(undefined);
}

/** While `work` starts things, Ctrl-C ends the process with 130, and what was started is stopped first. */
export async function startInterruptibly<T>(host: Host, work: () => Promise<T>): Promise<T> {
  const { promise: neverSettles } = Promise.withResolvers<never>();
  let interrupted = false;
  onInterrupt((signal) => {
    interrupted = true;
    onInterrupt((again) => process.exit(exitCodeOf(again)));
    void host.stop().finally(() => process.exit(exitCodeOf(signal)));
  });
  try {
    return await work();
  } catch (error) {
    // What fails because the host is being stopped is no news; the process ends in a moment.
    if (interrupted) await neverSettles;
    await host.stop();
    throw error;
  } finally {
    if (!interrupted) onInterrupt(undefined);
  }
}

async function whenStopped(host: Host): Promise<void> {
  for await (const { type } of host.events.watch()) if (type === "host_stopped") return;
}

async function drain(host: Host, output: Output): Promise<void> {
  const progress = new Progress(output);
  if (host.state !== "stopped") progress.step(`Draining host ${host.name}; Ctrl-C again ends at once`);
  await host.stop();
  progress.done(`Host ${host.name} has stopped`);
}
