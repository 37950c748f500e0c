import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** What a client met between two readings. Times in milliseconds. */
export interface Steadiness {
  readonly answers: number;
  /** Answers that were not what was sent, and requests that failed. */
  readonly wrong: number;
  readonly firstWrong: string | undefined;
  /** Requests on their way at the moment of reading. */
  readonly unanswered: number;
  readonly p50: number;
  readonly p99: number;
  readonly worst: number;
}

/** Requests to an echo over HTTP, one every `everyMs`, from a process of its own. */
export class SteadyLoad implements AsyncDisposable {
  readonly #client;
  readonly #lines: AsyncIterator<string>;

  constructor(url: string, everyMs = 5) {
    const program = fileURLToPath(new URL("steady-client.ts", import.meta.url));
    this.#client = spawn(process.execPath, [program, JSON.stringify({ url, everyMs })], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#lines = createInterface({ input: this.#client.stdout })[Symbol.asyncIterator]();
  }

  /** What happened since it was read last. */
  async read(): Promise<Steadiness> {
    this.#client.stdin.write("\n");
    const { value } = await this.#lines.next();
    return JSON.parse(value as string) as Steadiness;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#client.exitCode !== null) return;
    this.#client.stdin.end();
    await once(this.#client, "exit");
  }
}

export function steadinessText({ answers, p50, p99, worst }: Steadiness): string {
  const ms = (value: number) => `${value.toFixed(1)} ms`;
  return `${answers} answers, p50 ${ms(p50)}, p99 ${ms(p99)}, worst ${ms(worst)}`;
}
