import {
  type Bus,
  describe,
  fail,
  fromWire,
  isLatticeError,
  type Subjects,
  wholeReply,
  type WireError,
} from "../../lattice/index.ts";
import { aliveHeader, endHeader } from "./verb-service.ts";

/** Default wait for the answer of another host, in milliseconds. */
const askMs = 15_000;

/**
 * Asks a verb of another host and gives its answer.
 * @throws LatticeError whatever the verb throws there; HOST_ABSENT when nobody answers to that key; RPC_TIMEOUT.
 */
export async function askVerb(
  bus: Bus,
  subjects: Subjects,
  host: string,
  verb: string,
  params: object,
  timeoutMs: number = askMs,
): Promise<Readonly<Record<string, unknown>>> {
  const subject = subjects.write("verb", { host, verb });
  let payload: Uint8Array;
  try {
    const reply = await bus.request(subject, Buffer.from(JSON.stringify(params)), { timeoutMs });
    payload = await wholeReply(bus, reply, timeoutMs);
  } catch (error) {
    if (isLatticeError(error) && error.code === "NO_RESPONDERS") throw fail("HOST_ABSENT", host);
    throw error;
  }
  return answerOf(payload, host, verb);
}

/** The parts of what goes on at another host, until it ends or `signal` is aborted. */
export async function* followVerb(
  bus: Bus,
  subjects: Subjects,
  host: string,
  verb: string,
  params: object,
  { signal, inbox }: { readonly signal: AbortSignal; readonly inbox: string },
): AsyncGenerator<Readonly<Record<string, unknown>>> {
  const waiting: { body: Uint8Array; end: boolean }[] = [];
  let wake = (): void => {};
  let enough: string | undefined;
  const subscription = bus.subscribe(inbox, (message) => {
    if (message.headers.has(aliveHeader)) return;
    enough = message.reply ?? enough;
    waiting.push({ body: message.payload, end: message.headers.has(endHeader) });
    wake();
  });
  const onAbort = (): void => wake();
  signal.addEventListener("abort", onAbort);
  try {
    bus.publish(subjects.write("verb", { host, verb }), Buffer.from(JSON.stringify(params)), { reply: inbox });
    while (!signal.aborted) {
      const next = waiting.shift();
      if (!next) {
        await new Promise<void>((resolve) => (wake = resolve));
        continue;
      }
      const answer = answerOf(next.body, host, verb);
      if (next.end && Object.keys(answer).length === 0) return;
      yield answer;
      if (next.end) return;
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    subscription.unsubscribe();
    if (enough !== undefined) bus.publish(enough, new Uint8Array());
  }
}

function answerOf(payload: Uint8Array, host: string, verb: string): Readonly<Record<string, unknown>> {
  let found: Record<string, unknown>;
  try {
    found = JSON.parse(Buffer.from(payload).toString("utf8")) as Record<string, unknown>;
  } catch (error) {
    throw fail("REPLY_MALFORMED", `host ${host}`, verb, describe(error));
  }
  const { success, ...rest } = found;
  if (success !== false) return rest;
  const { error, ...wire } = rest as { error?: string } & Partial<WireError>;
  throw fromWire({
    code: "VERB_FAILED",
    kind: "unavailable",
    ...wire,
    message: error ?? "it refused without a reason",
  });
}
