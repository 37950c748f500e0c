import { harmlessLine } from "../host/index.ts";
import { rowsOf, textOf, type Document } from "./client.ts";
import { formatSeconds } from "./durations.ts";
import type { Column } from "./table.ts";

/** How the rows of one kind of thing look in a table. */
export interface RowView {
  readonly columns: readonly Column<Document>[];
  readonly name: (row: Document) => string;
  readonly none: string;
}

function column(head: string, cell: (row: Document) => string | number | undefined): Column<Document> {
  return { head, cell };
}

function wide(head: string, cell: (row: Document) => string | number | undefined): Column<Document> {
  return { head, cell, wide: true };
}

const field = (name: string) => (row: Document) => textOf(row, name);
const id = (row: Document) => textOf(row, "id") ?? "";

/** Sums one figure over the placements of an actor. */
function sum(row: Document, name: string): number {
  return rowsOf(row, "instances").reduce((total, instance) => total + Number(instance[name] ?? 0), 0);
}

function map(row: Document, name: string): string {
  const value = row[name];
  if (typeof value !== "object" || value === null) return "";
  return Object.entries(value)
    .map(([key, entry]) => `${key}=${String(entry)}`)
    .join(",");
}

function list(row: Document, name: string): string {
  const value = row[name];
  return Array.isArray(value) ? value.join(",") : (textOf(row, name) ?? "");
}

const views = {
  hosts: {
    columns: [
      column("ID", field("id")),
      column("NAME", field("friendly_name")),
      column("STATE", field("state")),
      column("UPTIME", (row) => formatSeconds(Number(row.uptime_seconds ?? 0))),
      column("VERSION", field("version")),
      wide("LATTICE", field("lattice")),
      wide("ENGINES", field("engines")),
      wide("PID", field("pid")),
      wide("LABELS", (row) => map(row, "labels")),
    ],
    name: id,
    none: "No host runs here. Start one: lattice up, or lattice run MODULE.",
  },
  actors: {
    columns: [
      column("NAME", field("name")),
      column("ID", field("id")),
      column("ERA", field("era")),
      column("RUNNING", (row) => `${sum(row, "running")}/${sum(row, "max_instances")}`),
      column("CALLS", (row) => sum(row, "calls")),
      column("ERRORS", (row) => sum(row, "errors")),
      column("URL", (row) => list(row, "urls")),
      wide("WAITING", (row) => sum(row, "waiting")),
      wide("CPU", (row) => `${sum(row, "cpu_ms").toFixed(1)}ms`),
      wide("MEMORY", (row) => `${Math.round(sum(row, "memory_bytes") / 1024)}KiB`),
      wide("ALIAS", field("call_alias")),
      wide("HOST", field("host_id")),
      wide("REFERENCE", field("image_ref")),
    ],
    name: id,
    none: "No actor runs here. Start one: lattice start actor REFERENCE.",
  },
  providers: {
    columns: [
      column("NAME", field("name")),
      column("ID", field("id")),
      column("CONTRACT", field("contract_id")),
      column("LINK", field("link_name")),
      column("LINKS", field("links")),
      column("STATE", field("state")),
      wide("HOST", field("host_id")),
      wide("PROCESS", field("process")),
      wide("MESSAGE", field("message")),
      wide("RESTARTS", field("restarts")),
      wide("FAULTS", field("faults")),
      wide("REFERENCE", field("image_ref")),
      wide("ANNOTATIONS", (row) => map(row, "annotations")),
    ],
    name: id,
    none: "No provider runs here. Start one: lattice start provider builtin:keyvalue-memory.",
  },
  links: {
    columns: [
      column("ACTOR", field("actor_id")),
      column("PROVIDER", field("provider_id")),
      column("CONTRACT", field("contract_id")),
      column("LINK", field("link_name")),
      column("URL", (row) => list(row, "urls")),
      wide("VALUES", (row) => map(row, "values")),
      wide("CONFIG", (row) => list(row, "config")),
      wide("PROBLEM", field("problem")),
    ],
    name: (row) =>
      textOf(row, "id") ?? `${textOf(row, "actor_id")}/${textOf(row, "contract_id")}/${textOf(row, "link_name")}`,
    none: "There are no links. Make one: lattice link put ACTOR PROVIDER.",
  },
  claims: {
    columns: [
      column("NAME", field("name")),
      column("SUBJECT", field("sub")),
      column("ISSUER", field("iss")),
      column("CAPABILITIES", (row) => list(row, "caps")),
      column("REV", field("rev")),
      column("VERSION", field("version")),
      wide("ALIAS", field("call_alias")),
      wide("TAGS", (row) => list(row, "tags")),
      wide("EXPIRES", field("expires")),
    ],
    name: (row) => textOf(row, "sub") ?? "",
    none: "No claims are known here.",
  },
  jobs: {
    columns: [
      column("ID", field("id")),
      column("VERB", field("verb")),
      column("STATE", field("state")),
      column("STARTED", field("startedAt")),
      column("ENDED", field("endedAt")),
      column("ERROR", (row) => {
        const message = textOf((row.error ?? {}) as Document, "message");
        return message === undefined ? undefined : harmlessLine(message);
      }),
      wide("HOST", field("host_id")),
    ],
    name: id,
    none: "Nothing was asked for with --skip-wait here.",
  },
  events: {
    columns: [
      column("TIME", field("time")),
      column("EVENT", field("type")),
      column("ABOUT", (row) => aboutEvent(row, false)),
      wide("MORE", (row) => aboutEvent(row, true)),
    ],
    name: field("type") as (row: Document) => string,
    none: "Nothing has happened here yet.",
  },
} as const satisfies Record<string, RowView>;

export type Kind = keyof typeof views;

export function viewOf(kind: Kind): RowView {
  return views[kind];
}

/** What few look for and is long; of one host every event has its key. */
const seldom: ReadonlySet<string> = new Set(["annotations", "api_version", "claims", "host_id", "instance_id"]);

/** What an event says of itself; with `more` what a table has no room for otherwise. */
function aboutEvent(row: Document, more: boolean): string {
  const data = typeof row.data === "object" && row.data !== null ? (row.data as Document) : row;
  const name = (data.claims as Document | undefined)?.name;
  const told = data.name === undefined && typeof name === "string" ? { name, ...data } : data;
  // Events of several hosts are merged: then the host counts.
  const several = row.host_id !== undefined;
  return Object.entries(told)
    .filter(([key, value]) => !["time", "type", "id", "source", "labels"].includes(key) && !isEmpty(value))
    .filter(([key]) => (seldom.has(key) && !(several && key === "host_id")) === more)
    .map(([key, value]) => `${key}=${typeof value === "string" ? harmlessLine(value) : JSON.stringify(value)}`)
    .join(" ");
}

/** Any answer as indented lines, for `describe`. */
export function renderTree(value: unknown, indent = ""): string {
  if (Array.isArray(value)) {
    return value
      .map((entry) =>
        isBranch(entry)
          ? `${indent}- ${renderTree(entry, `${indent}  `).trimStart()}`
          : `${indent}- ${leafText(entry)}`,
      )
      .join("\n");
  }
  if (!isBranch(value)) return `${indent}${leafText(value)}`;
  const entries = Object.entries(value).filter(([, entry]) => !isEmpty(entry));
  const width = Math.max(0, ...entries.filter(([, entry]) => !isBranch(entry)).map(([name]) => name.length)) + 1;
  return entries
    .map(([name, entry]) =>
      isBranch(entry)
        ? `${indent}${name}:\n${renderTree(entry, `${indent}  `)}`
        : `${indent}${`${name}:`.padEnd(width)} ${leafText(entry)}`,
    )
    .join("\n");
}

function isBranch(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function isEmpty(value: unknown): boolean {
  if (value === "" || value === null || value === undefined) return true;
  return isBranch(value) && Object.keys(value).length === 0;
}

function leafText(value: unknown): string {
  return harmlessLine(String(value));
}
