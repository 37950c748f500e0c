import { Agent, request } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { encodeHttpRequest } from "../../../capabilities/index.ts";
import { askVerb } from "../../../host/index.ts";
import { type Bus, describe, isLatticeError, Subjects } from "../../../lattice/index.ts";
import type { Account } from "./account.ts";

export interface LoadOptions {
  readonly account: Account;
  /** Where the actor answers over HTTP. */
  readonly url: string;
  /** A client's own connection to the lattice. */
  readonly bus: Bus;
  readonly lattice: string;
  readonly actor: string;
  /** Hosts that run the actor, asked by their verb `call`. */
  readonly hosts: readonly string[];
}

const httpCallers = 8;
const verbCallers = 4;
const keys = 20;
/** A call without any answer after this is a bug: each has a deadline. */
const answerMs = 30_000;
const restMs = 4;
const restAfterFailureMs = 25;

/** Calls that never stop: over HTTP from host to host, and over the lattice as `lattice call` asks. */
export class Load {
  readonly #options: LoadOptions;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #callers: Promise<unknown>;
  #ended = false;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#callers = Promise.all([
      ...Array.from({ length: httpCallers }, (_, at) => this.#repeat(at, (path) => this.#overHttp(path))),
      ...Array.from({ length: verbCallers }, (_, at) => this.#repeat(at + 7, (path) => this.#overLattice(path, at))),
    ]);
  }

  /** Resolves when each caller has had its last answer. */
  async stop(): Promise<void> {
    this.#ended = true;
    await this.#callers;
    this.#agent.destroy();
  }

  /** Resolves when this many further calls in a row were acknowledged, whoever asked. */
  async well(inARow: number, timeoutMs: number): Promise<boolean> {
    const { account } = this.#options;
    const until = performance.now() + timeoutMs;
    let { failed, acknowledged } = account;
    while (account.acknowledged < acknowledged + inARow) {
      if (account.failed > failed) ({ failed, acknowledged } = account);
      if (performance.now() > until) return false;
      await pause(20);
    }
    return true;
  }

  async #repeat(first: number, ask: (path: string) => Promise<Outcome>): Promise<void> {
    const { account } = this.#options;
    for (let turn = first; !this.#ended; turn++) {
      const path = `/k${turn % keys}`;
      const { code, text = "" } = await ask(path);
      if (code === undefined) account.acknowledge(keyOf(path));
      else account.fail(keyOf(path), code, text);
      await pause(code === undefined ? restMs : restAfterFailureMs);
    }
  }

  #overHttp(path: string): Promise<Outcome> {
    return new Promise((resolve) => {
      const lost = (error: Error & { code?: string }) => resolve({ code: error.code ?? "HTTP", text: error.message });
      const { url } = this.#options;
      request(`${url}${path}`, { agent: this.#agent, signal: AbortSignal.timeout(answerMs) }, (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (piece: string) => (text += piece));
        response.on("error", lost).on("end", () => resolve(outcomeOf(response.statusCode ?? 0, text)));
      })
        .on("error", lost)
        .end();
    });
  }

  async #overLattice(path: string, at: number): Promise<Outcome> {
    const { bus, lattice, actor, hosts } = this.#options;
    const payload = encodeHttpRequest("E4", {
      method: "GET",
      path,
      queryString: "",
      header: [],
      body: new Uint8Array(),
    });
    const parameters = {
      target: actor,
      operation: "HttpServer.HandleRequest",
      payload: Buffer.from(payload).toString("base64"),
    };
    try {
      const host = hosts[at % hosts.length]!;
      const { reply } = await askVerb(bus, new Subjects(lattice), host, "call", parameters, answerMs);
      const { statusCode } = reply as { statusCode?: number };
      return statusCode === 200 ? {} : { code: `STATUS_${statusCode}`, text: JSON.stringify(reply) };
    } catch (error) {
      return { code: isLatticeError(error) ? error.code : "UNKNOWN", text: describe(error) };
    }
  }
}

interface Outcome {
  /** Why there is no count. */
  readonly code?: string;
  readonly text?: string;
}

/** The key under which the actor counts a path. */
function keyOf(path: string): string {
  return path.replaceAll("/", ":");
}

function outcomeOf(status: number, text: string): Outcome {
  try {
    const body = JSON.parse(text) as { counter?: unknown; error?: { code: string } };
    if (status === 200 && typeof body.counter === "number") return {};
    return { code: body.error?.code ?? `STATUS_${status}`, text };
  } catch {
    return { code: `STATUS_${status}`, text };
  }
}
