import { describe, fail } from "../lattice/index.ts";

/** Told as bytes arrive; `total` is undefined when the server does not say. */
export type OnProgress = (received: number, total: number | undefined) => void;

/**
 * All bytes of `source`, at most `limit`; `onPiece` sees each as it comes.
 * @throws LatticeError MODULE_TOO_LARGE at the limit; the source is closed.
 */
export async function collect(
  source: AsyncIterable<Uint8Array>,
  origin: string,
  limit: number,
  onPiece?: (piece: Uint8Array, received: number) => void,
): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let received = 0;
  for await (const piece of source) {
    received += piece.length;
    if (received > limit) throw fail("MODULE_TOO_LARGE", origin, received, limit);
    pieces.push(piece);
    onPiece?.(piece, received);
  }
  return new Uint8Array(Buffer.concat(pieces, received));
}

/** `fetch` says "fetch failed" and keeps why in the cause. */
export function fetchReason(error: unknown): string {
  return error instanceof Error && error.cause instanceof Error ? describe(error.cause) : describe(error);
}
