import type { BusHeaders } from "../bus.ts";

/**
 * Headers as they travel: a version line, with a status when the server itself answers, then one
 * line per value. Source: NATS architecture decision ADR-4.
 */
const version = "NATS/1.0";

export interface DecodedHeaders {
  readonly headers: BusHeaders;
  /** 503 nobody listens, 404 no such message, 100 heartbeat... */
  readonly status: number | undefined;
  /** Beside the status, in words. */
  readonly description: string;
}

export function encodeHeaders(headers: BusHeaders): string {
  let text = `${version}\r\n`;
  for (const [name, values] of headers) for (const value of values) text += `${name}: ${value}\r\n`;
  return `${text}\r\n`;
}

/** Lines that are no headers are left out. */
export function decodeHeaders(text: string): DecodedHeaders {
  const [first = "", ...lines] = text.split("\r\n");
  const headers = new Map<string, string[]>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon <= 0) continue;
    const name = line.slice(0, colon);
    const value = line.slice(colon + 1).trim();
    const values = headers.get(name);
    if (values) values.push(value);
    else headers.set(name, [value]);
  }
  const [, digits, description = ""] = /^NATS\/1\.0\s+(\d{3})\s*(.*)$/.exec(first) ?? [];
  return { headers, status: digits === undefined ? undefined : Number(digits), description };
}
