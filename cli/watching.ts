import { setTimeout as pause } from "node:timers/promises";
import { isLatticeError } from "../lattice/index.ts";
import { type Document, textOf } from "./client.ts";
import type { Output } from "./output.ts";
import { renderTable } from "./table.ts";
import { viewOf, type Kind } from "./views.ts";

const lookEveryMs = 1_000;
/** Looks in a row without a row before it counts as gone: a host that is busy may miss one. */
const looksWithout = 3;
/** What changes while nothing happens. */
const restless: ReadonlySet<string> = new Set(["uptime_seconds", "uptime_human", "memory_bytes", "cpu_ms"]);

/**
 * Prints rows, then for ever those that are new or have changed, and the names of those that are
 * gone; `gone: true` where a program reads. A column stays as wide as it once was.
 */
export async function watchRows(output: Output, kind: Kind, read: () => Promise<Document[]>): Promise<void> {
  const { name } = viewOf(kind);
  const rows = new Rows(output, kind);
  const keyOf = (row: Document) => `${textOf(row, "host_id") ?? ""} ${name(row)}`;
  const seen = new Map<string, { readonly row: Document; missed: number }>();
  for (let first = true; ; first = false) {
    const now = new Map((first ? await read() : await orNone(read)).map((row) => [keyOf(row), row]));
    rows.print([...now].flatMap(([key, row]) => (same(seen.get(key)?.row, row) ? [] : [row])));
    for (const [key, row] of now) seen.set(key, { row, missed: 0 });
    for (const [key, known] of seen) {
      if (now.has(key) || ++known.missed < looksWithout) continue;
      seen.delete(key);
      rows.gone(known.row);
    }
    if (first && now.size === 0) output.note(viewOf(kind).none);
    await pause(lookEveryMs);
  }
}

/** Prints what `read` answers, and again whenever it has changed. */
export async function watchWhole(
  read: () => Promise<Document[]>,
  print: (rows: readonly Document[], isFirst: boolean) => Promise<void>,
): Promise<void> {
  let before: string | undefined;
  for (;;) {
    const rows = before === undefined ? await read() : await orNone(read);
    const now = still(rows);
    if (now !== before) await print(rows, before === undefined);
    before = now;
    await pause(lookEveryMs);
  }
}

/** Rows of one kind that come bit by bit, under one head. */
export class Rows {
  readonly #output: Output;
  readonly #kind: Kind;
  readonly #widths: number[] = [];
  #headers: boolean;

  constructor(output: Output, kind: Kind) {
    this.#output = output;
    this.#kind = kind;
    this.#headers = output.options.headers;
  }

  print(rows: readonly Document[]): void {
    if (rows.length === 0) return;
    const { name, columns } = viewOf(this.#kind);
    const { format, paint, structured } = this.#output;
    if (structured) for (const row of rows) this.#output.line(row);
    else if (format === "name") for (const row of rows) this.#output.text(name(row));
    else {
      const style = { wide: format === "wide", headers: this.#headers, paint, widths: this.#widths };
      this.#output.text(renderTable({ rows, columns }, style).join("\n"));
      this.#headers = false;
    }
  }

  gone(row: Document): void {
    if (this.#output.structured) return this.#output.line({ ...row, gone: true });
    const what = textOf(row, "friendly_name") ?? textOf(row, "name") ?? viewOf(this.#kind).name(row);
    const host = this.#kind === "hosts" ? undefined : textOf(row, "host_id");
    this.#output.text(this.#output.paint.dim(`${what} is gone${host === undefined ? "" : ` from ${host}`}`));
  }
}

/** All hosts may be gone for a while. */
async function orNone(read: () => Promise<Document[]>): Promise<Document[]> {
  try {
    return await read();
  } catch (error) {
    if (isLatticeError(error) && error.code === "HOST_ABSENT") return [];
    throw error;
  }
}

function same(before: Document | undefined, now: Document): boolean {
  return before !== undefined && still(before) === still(now);
}

function still(value: unknown): string {
  return JSON.stringify(value, (name, each: unknown) => (restless.has(name) ? undefined : each));
}
