import { hash } from "node:crypto";
import { verifySignature } from "../../lattice/index.ts";

const most = 1_024;
const proven = new Set<string>();

/**
 * `verifySignature` for what all hosts of this process hear alike: a message that was proven here is not
 * computed again, which is most of what an announcement costs. Only what was proven is kept, by its digest.
 */
export function verifyOnce(publicKey: string, message: Uint8Array, signature: string): boolean {
  const name = `${publicKey} ${signature} ${hash("sha256", message, "base64url")}`;
  if (proven.has(name)) return true;
  if (!verifySignature(publicKey, message, Buffer.from(signature, "base64url"))) return false;
  const [oldest] = proven;
  if (proven.size >= most && oldest !== undefined) proven.delete(oldest);
  proven.add(name);
  return true;
}
