import type { Paint } from "./colour.ts";

export interface Column<Row> {
  /** Head of the column, upper case. */
  readonly head: string;
  readonly cell: (row: Row) => string | number | undefined;
  /** Only with `-o wide`. */
  readonly wide?: true;
}

interface TableStyle {
  readonly wide: boolean;
  readonly headers: boolean;
  readonly paint: Paint;
  /** Widths of the columns so far, kept here for rows that come later under the same head. */
  readonly widths?: number[];
}

/** The lines of a table as kubectl draws them: columns two or more blanks apart, no frame, `-` for nothing. */
export function renderTable<Row>(
  table: { readonly rows: readonly Row[]; readonly columns: readonly Column<Row>[] },
  { wide, headers, paint, widths: kept = [] }: TableStyle,
): string[] {
  const columns = table.columns.filter((column) => wide || !column.wide);
  const body = table.rows.map((row) => columns.map((column) => cellText(column.cell(row))));
  const head = columns.map((column) => column.head);
  const widths = head.map((word, at) =>
    body.reduce(
      (widest, cells) => Math.max(widest, cells[at]?.length ?? 0),
      Math.max(kept[at] ?? 0, headers ? word.length : 0),
    ),
  );
  kept.splice(0, kept.length, ...widths);
  const line = (cells: readonly string[]) =>
    cells.map((cell, at) => (at === cells.length - 1 ? cell : cell.padEnd(widths[at] ?? 0))).join("   ");
  return [...(headers ? [paint.bold(line(head))] : []), ...body.map(line)];
}

function cellText(value: string | number | undefined): string {
  const text = printable(String(value ?? ""));
  return text === "" ? "-" : text;
}

/** One line without control characters: names and messages come from modules made by others. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}]+/gu, " ");
}

/** Label and value pairs as aligned lines; entries without a value are left out. */
export function renderPairs(pairs: readonly (readonly [label: string, value: string | number | undefined])[]): string {
  const shown = pairs.filter(([, value]) => value !== undefined && value !== "");
  const width = Math.max(0, ...shown.map(([label]) => label.length)) + 1;
  return shown.map(([label, value]) => `${`${label}:`.padEnd(width)}  ${cellText(value)}`).join("\n");
}
