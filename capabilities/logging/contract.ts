import { Fields } from "../codec/fields.ts";
import { type MsgpackReader, reader } from "../codec/msgpack-reader.ts";
import type { LogRecord } from "../provider.ts";

/** `WriteLog` of the years before, `Logging.WriteLog` of E4. */
export const logOperations: ReadonlySet<string> = new Set(["WriteLog", "Logging.WriteLog"]);

type Level = LogRecord["level"];

/** E2 counts: 0 off, 1 error, ..., 5 trace. */
const numbered: readonly (Level | undefined)[] = [undefined, "error", "warn", "info", "debug", "trace"];
const named: ReadonlyMap<string, Level> = new Map<string, Level>([
  ["trace", "trace"],
  ["debug", "debug"],
  ["info", "info"],
  ["warn", "warn"],
  ["warning", "warn"],
  ["error", "error"],
  ["critical", "critical"],
]);

const fields = new Fields(["level"], ["body", "text"], ["target"]);

/**
 * Reads a log line of any era: `{level: u32, body}` of E2, `{target, level, text}` of E3,
 * `{level, text}` of E4. A level that is none of theirs is `info`.
 * Source: waPC and actors reference, section 11.5.
 * @throws Malformed
 */
export function readLogRecord(payload: Uint8Array): LogRecord {
  let level: Level = "info";
  let text = "";
  let target = "";
  reader.open(payload);
  const count = reader.struct();
  const { keyed } = reader;
  for (let i = 0; i < count; i++) {
    switch (keyed ? reader.field(fields) : i) {
      case 0:
        level = readLevel(reader);
        break;
      case 1:
        text = reader.text();
        break;
      case 2:
        target = reader.text();
        break;
      default:
        reader.skip();
    }
  }
  reader.close();
  return target === "" ? { level, text } : { level, text, target };
}

function readLevel(from: MsgpackReader): Level {
  const text = from.text().toLowerCase();
  return named.get(text) ?? numbered[Number(text)] ?? "info";
}
