import { randomUUID } from "node:crypto";
import { type LatticeError, fail } from "../../lattice/index.ts";
import type { Message } from "../messaging/contract.ts";

interface Waiting {
  readonly resolve: (answer: Message) => void;
  readonly reject: (error: LatticeError) => void;
  readonly timer: NodeJS.Timeout;
}

const prefix = "_INBOX.";

/** The subjects under which answers come back: each for one request, gone with its first answer. */
export class Inboxes {
  readonly #waiting = new Map<string, Waiting>();

  /** @throws (by rejection) LatticeError RPC_TIMEOUT */
  open(subject: string, timeoutMs: number): { inbox: string; answer: Promise<Message> } {
    const inbox = prefix + randomUUID();
    const answer = new Promise<Message>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(inbox);
        reject(fail("RPC_TIMEOUT", subject, Math.round(timeoutMs)));
      }, timeoutMs);
      this.#waiting.set(inbox, { resolve, reject, timer });
    });
    return { inbox, answer };
  }

  /** Takes a message meant for an inbox, also one that nobody waits for any more; false for other subjects. */
  deliver(message: Message): boolean {
    if (!message.subject.startsWith(prefix)) return false;
    const waiting = this.#take(message.subject);
    waiting?.resolve({ ...message, body: new Uint8Array(message.body) });
    return true;
  }

  drop(inbox: string): void {
    this.#take(inbox);
  }

  close(error: LatticeError): void {
    for (const inbox of this.#waiting.keys()) this.#take(inbox)?.reject(error);
  }

  #take(inbox: string): Waiting | undefined {
    const waiting = this.#waiting.get(inbox);
    this.#waiting.delete(inbox);
    clearTimeout(waiting?.timer);
    return waiting;
  }
}
