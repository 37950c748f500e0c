type Handler = (signal: NodeJS.Signals) => void;

/**
 * One Ctrl-C reaches a command up to three times: from the terminal, from npm and from the launcher
 * of an older Node. Repeats within this time are the same one.
 */
const sameMs = 250;

const exitCodes: Partial<Record<NodeJS.Signals, number>> = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };

let handler: Handler | undefined;
let last = Number.NEGATIVE_INFINITY;

/** Until a command says otherwise, Ctrl-C and SIGTERM end the process at once with 130 and 143. */
export function watchInterrupts(): void {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, receive);
}

/** What an interrupt does from now on; `undefined` restores the default. */
export function onInterrupt(next: Handler | undefined): void {
  handler = next;
}

export function exitCodeOf(signal: NodeJS.Signals): number {
  return exitCodes[signal] ?? 1;
}

function receive(signal: NodeJS.Signals): void {
  const now = performance.now();
  if (now - last < sameMs) return;
  last = now;
  if (handler === undefined) process.exit(exitCodeOf(signal));
  handler(signal);
}
