import {
  type Bus,
  type BusHeaders,
  catalogue,
  decodeResponse,
  encodeInvocation,
  fromWire,
  inlineLimitBytes,
  type InvocationCall,
  type InvocationSigner,
  type LargePayloads,
  type LatticeError,
  largePayloadExtraMs,
  responseError,
  traceHeaders,
  wireOperation,
} from "../../lattice/index.ts";
import type { CallTime } from "./figures.ts";

/**
 * Headers of ours beside an invocation of 0.x, which says neither. They are not signed: they can only
 * bring an end nearer.
 */
const hopsHeader = "Lattice-Hops";
const budgetHeader = "Lattice-Budget-Ms";
/** Beside an error's text, which is all that 0.x has. No more is believed of it than of the text. */
const codeHeader = "Lattice-Error-Code";

export interface SignedCall extends InvocationCall {
  readonly hops: number;
}

/** Sends calls as wasmCloud 0.x does: each signed, the answer as it comes. */
export class SignedCalls {
  readonly #bus: Bus;
  readonly #signer: InvocationSigner;
  readonly #large: LargePayloads;

  constructor(bus: Bus, signer: InvocationSigner, large: LargePayloads) {
    this.#bus = bus;
    this.#signer = signer;
    this.#large = large;
  }

  /**
   * @throws LatticeError NO_RESPONDERS at once, RPC_TIMEOUT, PAYLOAD_TOO_LARGE, REPLY_MALFORMED, and
   * GUEST_FAILED or PROVIDER_FAILED with the other's text.
   */
  async ask(subject: string, call: SignedCall, { budgetMs, timeoutMs }: CallTime): Promise<Uint8Array> {
    const large = call.payload.length > inlineLimitBytes;
    const signed = this.#signer.sign({ ...call, operation: wireOperation(call.operation) });
    const invocation = large ? await this.#large.offload(signed) : signed;
    try {
      const reply = await this.#bus.request(subject, encodeInvocation(invocation), {
        timeoutMs: large ? timeoutMs + largePayloadExtraMs : timeoutMs,
        headers: limitHeaders(call, budgetMs),
      });
      const response = decodeResponse(reply.payload, invocation);
      if (response.error !== undefined)
        throw codedError(reply.headers, response.error) ?? responseError(invocation, response.error);
      return await this.#large.payloadOfResponse(response);
    } catch (error) {
      if (large) await this.#large.discard(invocation.id);
      throw error;
    }
  }
}

/** The headers of an answer that is an error: hosts of ours tell each other its code. */
export function codeHeaders({ code }: LatticeError): BusHeaders {
  return new Map([[codeHeader, [code]]]);
}

function codedError(headers: BusHeaders, message: string): LatticeError | undefined {
  const code = headers.get(codeHeader)?.[0];
  if (code === undefined || !Object.hasOwn(catalogue, code)) return undefined;
  const known = code as keyof typeof catalogue;
  return fromWire({ code: known, kind: catalogue[known].kind, message });
}

function limitHeaders({ hops, trace }: SignedCall, budgetMs: number): BusHeaders {
  const headers = new Map(traceHeaders(trace));
  headers.set(hopsHeader, [String(hops)]);
  headers.set(budgetHeader, [String(budgetMs)]);
  return headers;
}

/** What the headers say of an invocation's hops and the time that its caller waits; the least where they say nothing. */
export function readLimits(headers: BusHeaders, longestMs: number): { hops: number; budgetMs: number } {
  const number = (name: string): number | undefined => {
    const text = headers.get(name)?.[0];
    return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
  };
  return { hops: number(hopsHeader) ?? 0, budgetMs: Math.min(number(budgetHeader) ?? longestMs, longestMs) };
}
