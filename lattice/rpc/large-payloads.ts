import type { Blobs } from "../blobs.ts";
import { fail } from "../errors.ts";
import type { WireInvocation } from "./wire-invocation.ts";
import type { WireResponse } from "./wire-response.ts";

/**
 * Payloads of more bytes than this go through the object store, requests and responses each for itself.
 * Source: lattice protocol reference, section 4.
 */
export const inlineLimitBytes = 900 * 1_024;
/** SDKs of 0.5x and 0.6x moved payloads out from here on. */
const leastMovedBytes = 700 * 1_024;
/** What a call with a payload in the object store may take longer than the RPC timeout. */
export const largePayloadExtraMs = 13_000;

export interface LargePayloadOptions {
  /** Most bytes that are stored or fetched. Default 16 MiB. */
  readonly maxBytes?: number;
}

/** Ids of invocations, as hosts and providers write them, and of their responses. */
const payloadName = /^(?:[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:-r)?$/i;

/**
 * Payloads over the threshold: stored by who sends, fetched and deleted by who receives. Without a
 * store (a server without JetStream) they are refused.
 */
export class LargePayloads {
  readonly #blobs: Blobs | undefined;
  readonly #maxBytes: number;

  constructor(blobs: Blobs | undefined, { maxBytes = 16 * 1_024 * 1_024 }: LargePayloadOptions = {}) {
    this.#blobs = blobs;
    this.#maxBytes = maxBytes;
  }

  /** The invocation as it is sent: as given, or with its payload stored under its id. @throws as `store`. */
  async offload(invocation: WireInvocation): Promise<WireInvocation> {
    if (invocation.payload.length <= inlineLimitBytes) return invocation;
    await this.store(invocation.id, invocation.payload);
    return { ...invocation, payload: nothing };
  }

  /** The same for a response, stored under the id with `-r` behind it. @throws as `store`. */
  async offloadResponse(response: WireResponse): Promise<WireResponse> {
    if (response.payload.length <= inlineLimitBytes) return response;
    await this.store(responseName(response.invocationId), response.payload);
    return { ...response, payload: nothing };
  }

  /** The payload of an invocation that came, fetched where it was moved out. Check its hash after. @throws as `take`. */
  async payloadOf(invocation: WireInvocation): Promise<Uint8Array> {
    if (!isMovedOut(invocation)) return invocation.payload;
    return await this.take(invocation.id, invocation.contentLength);
  }

  /** The same for a response. Its hash is that of the store only: 0.x signs no responses. @throws as `take`. */
  async payloadOfResponse(response: WireResponse): Promise<Uint8Array> {
    if (!isMovedOut(response)) return response.payload;
    return await this.take(responseName(response.invocationId), response.contentLength);
  }

  /** @throws LatticeError PAYLOAD_TOO_LARGE, STATE_UNAVAILABLE. */
  async store(name: string, payload: Uint8Array): Promise<void> {
    await this.#checked(payload.length).put(name, payload);
  }

  /**
   * Fetches an object of `bytes` bytes and deletes it; what cannot be deleted is left to `sweep`.
   * @throws LatticeError PAYLOAD_TOO_LARGE before it is fetched, PAYLOAD_GONE when there is none,
   * BLOB_CORRUPT when digest or length differ, STATE_UNAVAILABLE.
   */
  async take(name: string, bytes: number): Promise<Uint8Array> {
    const blobs = this.#checked(bytes);
    const payload = await blobs.get(name, bytes);
    if (payload === undefined) throw fail("PAYLOAD_GONE", name);
    void blobs.delete(name).catch(() => undefined);
    if (payload.length !== bytes) throw fail("BLOB_CORRUPT", name);
    return payload;
  }

  /** Deletes what was stored for a call that failed before it was fetched. Never fails. */
  async discard(name: string): Promise<void> {
    await this.#blobs?.delete(name).catch(() => undefined);
  }

  /**
   * Deletes payloads older than `olderThanMs`, which leaked because a receiver crashed; objects that
   * are no payloads stay. Many hosts may sweep at once. Returns how many went. @throws LatticeError STATE_UNAVAILABLE.
   */
  async sweep(olderThanMs: number, now: number = Date.now()): Promise<number> {
    const objects = (await this.#blobs?.list()) ?? [];
    const leaked = objects.filter(({ name, at }) => payloadName.test(name) && at < now - olderThanMs);
    // One after another: there may be thousands, and nobody waits.
    for (const { name } of leaked) await this.#blobs?.delete(name);
    return leaked.length;
  }

  #checked(bytes: number): Blobs {
    const limit = this.#blobs ? this.#maxBytes : inlineLimitBytes;
    if (!this.#blobs || bytes > limit) throw fail("PAYLOAD_TOO_LARGE", "a payload over the lattice", bytes, limit);
    return this.#blobs;
  }
}

/** Whether the message says that its payload lies in the object store. Source: lattice protocol reference, section 4. */
export function isMovedOut({ payload, contentLength }: Pick<WireInvocation, "payload" | "contentLength">): boolean {
  return contentLength > leastMovedBytes && contentLength > payload.length;
}

export function responseName(invocationId: string): string {
  return `${invocationId}-r`;
}

const nothing = new Uint8Array();
