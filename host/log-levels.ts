/** Levels of a host's log, quietest last; `critical` is the actors' own and goes to pino's `fatal`. */
export const logLevels = ["trace", "debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];

export function isLogLevel(value: unknown): value is LogLevel {
  return (logLevels as readonly unknown[]).includes(value);
}

/** Levels that actors log at, over all eras. */
export const actorLogLevels = ["trace", "debug", "info", "warn", "error", "critical"] as const;
export type ActorLogLevel = (typeof actorLogLevels)[number];
