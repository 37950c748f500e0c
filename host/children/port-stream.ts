import { Duplex } from "node:stream";
import type { MessagePort } from "node:worker_threads";

/**
 * A message port as the stream that a channel takes: what is written in one turn goes over in one message, whose
 * bytes change hands. It ends when the other end does. A port has no back pressure: what is under way bounds it.
 */
export class PortStream extends Duplex {
  readonly #port: MessagePort;

  constructor(port: MessagePort) {
    super();
    this.#port = port;
    port.on("message", (bytes: Uint8Array) => this.push(Buffer.from(bytes.buffer)));
    port.on("close", () => this.destroy());
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#post([chunk], chunk.length);
    done();
  }

  override _writev(chunks: { readonly chunk: Buffer }[], done: (error?: Error | null) => void): void {
    const all = chunks.map(({ chunk }) => chunk);
    this.#post(
      all,
      all.reduce((sum, { length }) => sum + length, 0),
    );
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#port.close();
    done(error);
  }

  /** Into memory of their own, since small buffers share theirs with others. */
  #post(chunks: readonly Buffer[], length: number): void {
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const chunk of chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    this.#port.postMessage(bytes, [bytes.buffer]);
  }
}
