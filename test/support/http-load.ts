import { Agent, get } from "node:http";

/** Requests one after the other on several connections; keeps what went wrong. */
export class Requests {
  answered = 0;
  readonly #agent: Agent;
  readonly #wrong: string[] = [];
  readonly #callers: Promise<unknown>;
  #stopped = false;

  constructor(url: string, kept: boolean) {
    this.#agent = new Agent({ keepAlive: kept });
    this.#callers = Promise.all(Array.from({ length: 4 }, () => this.#ask(url)));
  }

  async stop(): Promise<readonly string[]> {
    this.#stopped = true;
    await this.#callers;
    this.#agent.destroy();
    return this.#wrong;
  }

  async #ask(url: string): Promise<void> {
    while (!this.#stopped) {
      const problem = await new Promise<string | undefined>((resolve) => {
        get(url, { agent: this.#agent }, (response) => {
          response.on("error", (error) => resolve(error.message));
          response.on("end", () => resolve(response.statusCode === 200 ? undefined : `status ${response.statusCode}`));
          response.resume();
        }).on("error", (error) => resolve(error.message));
      });
      if (problem === undefined) this.answered++;
      else this.#wrong.push(problem);
    }
  }
}

export async function statusOf(url: string, body: string): Promise<number> {
  return (await fetch(url, { method: "POST", body, headers: { connection: "close" } })).status;
}
