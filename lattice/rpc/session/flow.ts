import { fail } from "../../errors.ts";
import { asBuffer, FrameProblem } from "./frame-bytes.ts";
import type { AcceptedHello } from "./hello.ts";
import type { Hellos } from "./hellos.ts";
import { flowMac } from "./mac.ts";
import type { End, Mac } from "./mac.ts";
import type { RemoteCall, StoredPayload } from "./remote-call.ts";
import { decodeAnswer, decodeWelcome, encodeCall, frameType } from "./session-frames.ts";
import type { FramePosition, OpenedAnswer, WelcomeFrame } from "./session-frames.ts";
import type { SessionIdentity } from "./session-identity.ts";

const maxSequence = 0xffff_ffff;

/** What this place has agreed with one other place. */
export class Flow {
  readonly from: End;
  readonly to: End;
  readonly subject: string;
  opening: Promise<void> | undefined;
  readonly #identity: SessionIdentity;
  #peer: AcceptedHello | undefined;
  #calls: Mac | undefined;
  #answers: Mac | undefined;
  #stream: Uint8Array | undefined;
  #sequence = 0;

  constructor(identity: SessionIdentity, from: End, to: End, subject: string) {
    this.#identity = identity;
    this.from = from;
    this.to = to;
    this.subject = subject;
  }

  /** Whether calls can be sealed: there is a stream, and the other host's hello of now is the one it began with. */
  ready(latest: AcceptedHello | undefined): boolean {
    if (latest?.sessionKey !== this.#peer?.sessionKey || this.#sequence >= maxSequence) this.#stream = undefined;
    return this.#stream !== undefined;
  }

  /** Undefined when another call has lost the stream meanwhile. */
  seal(
    call: RemoteCall,
    stored: StoredPayload | undefined,
  ): { bytes: Uint8Array; position: FramePosition } | undefined {
    if (!this.#stream || !this.#calls) return undefined;
    const position = { stream: this.#stream, sequence: ++this.#sequence };
    return { bytes: encodeCall(this.from, position, call, stored, this.#calls), position };
  }

  /** @throws LatticeError SESSION_LOST; then the next call opens a conversation anew. */
  read(bytes: Uint8Array, position: FramePosition): OpenedAnswer {
    try {
      return decodeAnswer(bytes, position, this.#answers!);
    } catch (error) {
      if (!(error instanceof FrameProblem)) throw error;
      if (this.#stream === position.stream) this.#stream = undefined;
      throw fail("SESSION_LOST", this.to.host, error.message);
    }
  }

  /** Another call may have renewed the stream meanwhile. */
  renew({ stream }: FramePosition, next: Uint8Array): void {
    if (this.#stream !== stream) return;
    this.#stream = Uint8Array.from(next);
    this.#sequence = 0;
  }

  /** Takes the answer to `open`. @throws LatticeError SESSION_REFUSED, HELLO_REFUSED. */
  begin(hellos: Hellos, bytes: Uint8Array, challenge: Uint8Array): void {
    try {
      const welcome = readWelcome(bytes, challenge);
      const peer = hellos.accept(welcome.hello);
      if (peer.host !== this.to.host) throw new FrameProblem("another host answered");
      const { calls, answers } = this.#macs(peer);
      if (!answers.holds(asBuffer(bytes))) throw new FrameProblem("its tag does not hold");
      this.#peer = peer;
      this.#calls = calls;
      this.#answers = answers;
      this.#stream = Uint8Array.from(welcome.stream);
      this.#sequence = 0;
    } catch (error) {
      if (error instanceof FrameProblem) throw fail("SESSION_REFUSED", this.to.host, error.message);
      throw error;
    }
  }

  #macs(peer: AcceptedHello): { calls: Mac; answers: Mac } {
    if (this.#peer?.sessionKey === peer.sessionKey && this.#calls && this.#answers)
      return { calls: this.#calls, answers: this.#answers };
    const { lattice, sessionKey } = this.#identity;
    const secret = {
      shared: this.#identity.agree(peer),
      sessionKeys: [sessionKey, peer.sessionKey] as const,
      lattice,
    };
    return {
      calls: flowMac(secret, this.from, this.to, "call"),
      answers: flowMac(secret, this.to, this.from, "reply"),
    };
  }
}

function readWelcome(bytes: Uint8Array, challenge: Uint8Array): WelcomeFrame {
  const type = frameType(bytes);
  if (type === "stranger") throw new FrameProblem("it does not take this host's hello");
  if (type !== "welcome") throw new FrameProblem("it answers in no form of a session");
  const welcome = decodeWelcome(bytes);
  if (!asBuffer(welcome.challenge).equals(challenge)) throw new FrameProblem("it answers another question");
  return welcome;
}
