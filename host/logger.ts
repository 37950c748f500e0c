import { createRequire } from "node:module";
import type { DestinationStream, Logger as Pino } from "pino";
import { cutText, harmless, harmlessLine, withoutSecrets } from "./harmless.ts";
import type { LogLine } from "./log-ring.ts";
import type { ActorLogLevel, LogLevel } from "./log-levels.ts";

export type HostLogLevel = "debug" | "info" | "warn" | "error";
export type LogFields = Readonly<Record<string, unknown>>;

export interface LoggerOptions {
  readonly level: LogLevel;
  /** JSON lines rather than readable ones. */
  readonly structured: boolean;
  /** Lines of one actor let through in a second. Default 200. */
  readonly linesPerSecond?: number;
  /** Characters shown of one line. Default 8192. */
  readonly lineChars?: number;
  /** Carried by every JSON line, for example the host's id. */
  readonly base?: LogFields;
  /** Where lines go; default standard error. Gets whole lines. */
  readonly destination?: { write(line: string): void };
}

const weight = { trace: 10, debug: 20, info: 30, warn: 40, error: 50, critical: 60, silent: Infinity } as const;

/** All actors together get this many times what one may write. */
const actorsInFullFlood = 20;

/** Names that never show their value, wherever they stand in the fields of a line. */
const secretNames = [
  "seed",
  "hostSeed",
  "clusterSeed",
  "token",
  "jwt",
  "password",
  "secret",
  "authorization",
  "cookie",
];

/**
 * The host's log, over pino: redacted, on standard error, as readable or JSON lines. Nothing of a
 * line is built unless its level is on, and pino itself is loaded with the first line (32 ms).
 * Lines that wait for a slow reader are bounded to 4 MiB; what is beyond is dropped, never waited for.
 */
export class HostLogger {
  readonly level: LogLevel;
  readonly #threshold: number;
  readonly #options: LoggerOptions;
  readonly #flood: FloodGate;
  #pino: Pino | undefined;

  constructor(options: LoggerOptions) {
    this.level = options.level;
    this.#threshold = weight[options.level];
    this.#options = options;
    this.#flood = new FloodGate(options.linesPerSecond ?? 200, (actor, dropped) => {
      this.log("warn", `${harmlessLine(actor)} writes too fast: ${dropped} lines of its log were not shown`, {
        actor,
        dropped,
      });
    });
  }

  isOn(level: ActorLogLevel): boolean {
    return weight[level] >= this.#threshold;
  }

  /** A line of the host's own. `fields` are redacted by name; say keys, addresses and counts, never payloads. */
  log(level: HostLogLevel, text: string, fields: LogFields = {}): void {
    if (this.isOn(level)) this.#write(level, text, fields);
  }

  debug(text: string, fields?: LogFields): void {
    this.log("debug", text, fields);
  }
  info(text: string, fields?: LogFields): void {
    this.log("info", text, fields);
  }
  warn(text: string, fields?: LogFields): void {
    this.log("warn", text, fields);
  }
  error(text: string, fields?: LogFields): void {
    this.log("error", text, fields);
  }

  /** A line that an actor wrote. One actor may write so many in a second; of the rest only their number is told. */
  actorLine(line: LogLine): void {
    if (!this.isOn(line.level) || !this.#flood.admits(line.placement, line.actor)) return;
    const { actor, placement, stream, traceId } = line;
    this.#write(line.level, line.text, {
      actor,
      placement,
      stream,
      ...(traceId === undefined ? {} : { trace_id: traceId }),
    });
  }

  /** Tells what was dropped and hands all lines to the system. May be called twice. */
  flush(): void {
    this.#flood.report();
    this.#pino?.flush();
  }

  #write(level: ActorLogLevel, text: string, fields: LogFields): void {
    this.#pino ??= makePino(this.#options);
    this.#pino[level === "critical" ? "fatal" : level](
      cleaned(fields),
      withoutSecrets(harmless(cutText(text, this.#options.lineChars ?? 8_192))),
    );
  }
}

function makePino(options: LoggerOptions): Pino {
  const pino = createRequire(import.meta.url)("pino") as typeof import("pino").default;
  const lines = options.destination ?? pino.destination({ fd: 2, sync: false, maxLength: 4 * 1024 * 1024 });
  const destination: DestinationStream = options.structured
    ? lines
    : { write: (line: string) => lines.write(readable(JSON.parse(line) as Record<string, unknown>)) };
  return pino(
    {
      level: options.level,
      base: options.structured ? (options.base ?? null) : null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label === "fatal" ? "critical" : label }) },
      redact: { paths: secretNames.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: "[redacted]" },
    },
    destination,
  );
}

/** Texts among the fields, made harmless too: names come from tokens that anyone may have signed. */
function cleaned(fields: LogFields): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => {
      if (typeof value === "string") return [name, withoutSecrets(harmlessLine(value))];
      return [name, value instanceof Error ? withoutSecrets(harmlessLine(value.message)) : value];
    }),
  );
}

/** `12:34:56.789 warn  counter: text key=value`; further lines of a text are indented, so none can pass for another. */
function readable(line: Record<string, unknown>): string {
  const { time, level, msg, actor, placement: _placement, stream: _stream, ...fields } = line;
  const who = typeof actor === "string" && _stream !== undefined ? `${actor}: ` : "";
  const rest = Object.entries(who === "" && actor !== undefined ? { actor, ...fields } : fields)
    .map(([name, value]) => ` ${name}=${typeof value === "string" ? value : harmlessLine(JSON.stringify(value) ?? "")}`)
    .join("");
  const text = (typeof msg === "string" ? msg : "").trimEnd().replaceAll("\n", "\n    ");
  return `${String(time).slice(11, 23)} ${String(level).padEnd(8)} ${who}${text}${rest}\n`;
}

/** Lets so many lines of each placement through in each second and counts the rest. */
class FloodGate {
  readonly #most: number;
  readonly #told: (actor: string, dropped: number) => void;
  readonly #counts = new Map<string, { readonly actor: string; lines: number; dropped: number }>();
  #all = 0;
  #second = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(most: number, told: (actor: string, dropped: number) => void) {
    this.#most = most;
    this.#told = told;
  }

  admits(placement: string, actor: string): boolean {
    const second = Math.floor(performance.now() / 1000);
    if (second !== this.#second) {
      this.report();
      this.#second = second;
    }
    let count = this.#counts.get(placement);
    if (!count) this.#counts.set(placement, (count = { actor, lines: 0, dropped: 0 }));
    if (count.lines < this.#most && this.#all < this.#most * actorsInFullFlood) {
      count.lines++;
      this.#all++;
      return true;
    }
    count.dropped++;
    this.#timer ??= setTimeout(() => this.report(), 1_000).unref();
    return false;
  }

  report(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const flooded = [...this.#counts.values()].filter((count) => count.dropped > 0);
    this.#counts.clear();
    this.#all = 0;
    for (const { actor, dropped } of flooded.slice(0, actorsInFullFlood)) this.#told(actor, dropped);
    const others = flooded.slice(actorsInFullFlood).reduce((sum, { dropped }) => sum + dropped, 0);
    if (others > 0) this.#told(`${flooded.length - actorsInFullFlood} more actors`, others);
  }
}
