import { readFile } from "node:fs/promises";

const pageBytes = 4_096;
const everyMs = 1_000;

/**
 * Looks once a second at the memory that a process really uses: the heap is bounded by V8, buffers are not.
 * Where there is no /proc it sees nothing.
 */
export class MemoryWatch {
  readonly #timer: NodeJS.Timeout;

  /** `onOver` is told the bytes found when they are more than `limit`, at most once a second. */
  constructor(pid: number, limit: number, onOver: (bytes: number) => void) {
    const look = async () => {
      const bytes = await residentBytes(pid);
      if (bytes > limit) onOver(bytes);
    };
    this.#timer = setInterval(() => void look(), everyMs).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

/** 0 when it cannot be known. Source: proc(5), /proc/PID/statm: the second number is the resident set in pages. */
async function residentBytes(pid: number): Promise<number> {
  try {
    const [, pages] = (await readFile(`/proc/${pid}/statm`, "latin1")).split(" ");
    return Number(pages) * pageBytes;
  } catch {
    return 0;
  }
}
