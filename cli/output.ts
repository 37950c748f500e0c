import { isLatticeError, describe, fail } from "../lattice/index.ts";
import { colourer, type ColourWhen, type Paint } from "./colour.ts";
import { printable, renderTable, type Column } from "./table.ts";

export const formats = ["table", "wide", "json", "yaml", "name", "jsonl"] as const;
export type Format = (typeof formats)[number];

/** What the common options of every command amount to. */
export interface OutputOptions {
  readonly format: Format;
  readonly headers: boolean;
  readonly colour: ColourWhen;
  readonly quiet: boolean;
  readonly verbose: boolean;
}

export const plainOutput: OutputOptions = {
  format: "table",
  headers: true,
  colour: "auto",
  quiet: false,
  verbose: false,
};

/** A result as every format wants it: one document, and how people see it. */
export interface Result<Row> {
  /** The JSON document; `success: true` is put in front. */
  readonly document: Readonly<Record<string, unknown>>;
  readonly rows: readonly Row[];
  readonly columns: readonly Column<Row>[];
  /** One line per row of `-o name`. */
  readonly name: (row: Row) => string;
  /** Said on stderr in place of a table without rows. */
  readonly none?: string;
}

/** `text` is wash's word for a table. @throws LatticeError USAGE for a word that is no format. */
export function parseFormat(word: string): Format {
  if (word === "text") return "table";
  const format = formats.find((known) => known === word);
  if (format === undefined) throw fail("USAGE", `there is no output format "${word}"; use ${formats.join(", ")}`);
  return format;
}

/** Results go to stdout, everything else to stderr. */
export class Output {
  readonly options: OutputOptions;
  readonly #out: Paint;
  readonly #err: Paint;

  constructor(options: OutputOptions) {
    this.options = options;
    this.#out = colourer(options.colour, process.stdout);
    this.#err = colourer(options.colour, process.stderr);
  }

  get format(): Format {
    return this.options.format;
  }

  /** True where a program reads: one document or one document per line. */
  get structured(): boolean {
    return this.format === "json" || this.format === "jsonl" || this.format === "yaml";
  }

  /** Colours for text that goes to stdout. */
  get paint(): Paint {
    return this.#out;
  }

  /** Prints a list in the format asked for. */
  async list<Row>(result: Result<Row>): Promise<void> {
    if (this.structured) return this.document(result.document);
    if (this.format === "name") return this.#lines(result.rows.map(result.name));
    if (result.rows.length === 0) return this.note(result.none ?? "Nothing found.");
    this.#lines(renderTable(result, { wide: this.format === "wide", headers: this.options.headers, paint: this.#out }));
  }

  /** Prints one thing: as a document where a program reads, else as the text given, or its name. */
  async show(document: Readonly<Record<string, unknown>>, text: string, name?: string): Promise<void> {
    if (this.structured) return this.document(document);
    process.stdout.write(`${this.format === "name" && name !== undefined ? name : text.replace(/\n$/, "")}\n`);
  }

  /** The document alone, `success: true` in front; on one line for jsonl. */
  async document(document: Readonly<Record<string, unknown>>): Promise<void> {
    const whole = { success: true, ...document };
    if (this.format === "yaml") {
      const { stringify } = await import("yaml");
      process.stdout.write(stringify(whole));
    } else if (this.format === "jsonl") this.line(whole);
    else process.stdout.write(`${JSON.stringify(whole, undefined, 2)}\n`);
  }

  /** One object on one line of stdout. */
  line(object: unknown): void {
    process.stdout.write(`${JSON.stringify(object)}\n`);
  }

  text(text: string): void {
    process.stdout.write(`${text}\n`);
  }

  /** Something good to know, on stderr; silent with --quiet. */
  note(text: string): void {
    if (!this.options.quiet) process.stderr.write(`${text}\n`);
  }

  /** Said with --verbose only. */
  detail(text: string): void {
    if (this.options.verbose) process.stderr.write(`${this.#err.dim(text)}\n`);
  }

  warn(text: string): void {
    process.stderr.write(`${this.#err.yellow("warning:")} ${text}\n`);
  }

  /** Prints what failed, why and what to do; answers the exit code. */
  failure(error: unknown): number {
    const view = failureView(error);
    if (this.structured) {
      const { exit: _, ...document } = view;
      process.stderr.write(`${JSON.stringify({ success: false, ...document })}\n`);
    } else {
      // The problems of a host file stand one below the other; what others say is one line, whatever they wrote.
      const problems = view.code === "MANIFEST_INVALID" ? view.error.split("\n") : [view.error];
      const text = problems.map(printable).join("\n  ");
      const lines = [`${this.#err.red("error:")} ${text} ${this.#err.dim(`(${view.code})`)}`];
      if (view.cause !== undefined) lines.push(`  cause: ${printable(view.cause)}`);
      if (view.hint !== undefined) lines.push(`  hint: ${view.hint}`);
      process.stderr.write(`${lines.join("\n")}\n`);
    }
    if (this.options.verbose && error instanceof Error) process.stderr.write(`${this.#err.dim(stacks(error))}\n`);
    return view.exit;
  }

  #lines(lines: readonly string[]): void {
    if (lines.length > 0) process.stdout.write(`${lines.join("\n")}\n`);
  }
}

interface FailureView {
  readonly error: string;
  readonly code: string;
  readonly kind: string;
  readonly hint?: string;
  readonly cause?: string;
  readonly exit: number;
}

function failureView(error: unknown): FailureView {
  if (isLatticeError(error)) {
    const { code, kind, message, hint, cause } = error.toWire();
    // A cause whose words the message already carries says nothing new.
    const news = cause === undefined || message.includes(cause) ? {} : { cause };
    return { error: message, code, kind, ...(hint === undefined ? {} : { hint }), ...news, exit: error.exitCode };
  }
  return {
    error: `unexpected: ${describe(error)}`,
    code: "UNEXPECTED",
    kind: "unexpected",
    hint: "This is a fault of lattice itself; --verbose shows where.",
    exit: 1,
  };
}

function stacks(error: Error): string {
  const own = error.stack ?? error.message;
  return error.cause instanceof Error ? `${own}\ncaused by ${stacks(error.cause)}` : own;
}
