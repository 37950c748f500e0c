import { randomFillSync } from "node:crypto";
import { type GuestFrame, type Pending, sentinel, textBytes } from "./guest-frame.ts";
import { LineBuffer } from "./line-buffer.ts";

/** Both names under which guests import WASI preview 1. Source: waPC and actors reference, section 3. */
export const wasiModules = ["wasi_unstable", "wasi_snapshot_preview1"] as const;
export type WasiModule = (typeof wasiModules)[number];

export function isWasiModule(name: string): name is WasiModule {
  return (wasiModules as readonly string[]).includes(name);
}

const errno = { success: 0, badf: 8, inval: 28, nosys: 52, spipe: 70 } as const;

/** Most buffers of one vectored write. */
const mostVectors = 1_024;
/** Most subscriptions of one poll. */
const mostSubscriptions = 64;
/** Most random bytes of one request; a larger one would hold the thread. */
const mostRandom = 1_048_576;
/** Timers hold 31 bits of milliseconds. */
const longestSleepMs = 2 ** 31 - 1;

/**
 * Where the clock of a subscription lies: `wasi_unstable` had an identifier before it.
 * Source: WASI snapshot 0 and preview 1 witx, `subscription`.
 */
const subscriptionLayout = {
  wasi_unstable: { size: 56, clockId: 24, timeout: 32, flags: 48 },
  wasi_snapshot_preview1: { size: 48, clockId: 16, timeout: 24, flags: 40 },
} as const;
const eventBytes = 32;

/**
 * The WASI of one instance: standard output and error go to the actor's log, clocks and random bytes
 * are real, there are no files, arguments or variables. `poll_oneoff` suspends the guest for as long
 * as it asks to sleep. Everything else answers ENOSYS rather than failing to link.
 * Source: waPC and actors reference, section 3.
 */
export class Wasi {
  readonly #frame: GuestFrame;
  #stdout: LineBuffer | undefined;
  #stderr: LineBuffer | undefined;

  constructor(frame: GuestFrame) {
    this.#frame = frame;
  }

  /** Passes on lines without an end; called when a call ends. */
  flush(): void {
    this.#stdout?.flush();
    this.#stderr?.flush();
  }

  /** The function to import under this name; there is one for every name. */
  import(module: WasiModule, name: string): Function {
    switch (name) {
      case "fd_write":
        return (fd: number, vectors: number, count: number, written: number) =>
          this.#write(fd, vectors >>> 0, count >>> 0, written >>> 0);
      case "fd_read":
        return (fd: number, _vectors: number, _count: number, read: number) =>
          fd === 0 ? this.#store(read >>> 0, 4, (view, at) => view.setUint32(at, 0, true)) : errno.badf;
      case "fd_seek":
      case "fd_tell":
        return (fd: number) => (isStandard(fd) ? errno.spipe : errno.badf);
      case "fd_close":
        return (fd: number) => (isStandard(fd) ? errno.success : errno.badf);
      case "fd_fdstat_get":
        return (fd: number, at: number) => this.#describeFile(fd, at >>> 0);
      case "fd_prestat_get":
      case "fd_prestat_dir_name":
        return () => errno.badf;
      case "random_get":
        return (at: number, length: number) => this.#random(at >>> 0, length >>> 0);
      case "clock_time_get":
        return (clock: number, _precision: bigint, at: number) => this.#time(clock, at >>> 0);
      case "clock_res_get":
        return (clock: number, at: number) =>
          isClock(clock) ? this.#store(at >>> 0, 8, (view, to) => view.setBigUint64(to, 1_000n, true)) : errno.inval;
      case "args_sizes_get":
      case "environ_sizes_get":
        return (count: number, size: number) => this.#none(count >>> 0, size >>> 0);
      case "args_get":
      case "environ_get":
      case "sched_yield":
        return () => errno.success;
      case "poll_oneoff":
        return (subscriptions: number, events: number, count: number, ready: number) =>
          this.#poll(module, subscriptions >>> 0, events >>> 0, count >>> 0, ready >>> 0);
      case "proc_exit":
        return (code: number) => this.#frame.exit(code);
      default:
        return () => errno.nosys;
    }
  }

  #write(fd: number, vectors: number, count: number, written: number): number {
    if (fd !== 1 && fd !== 2) return errno.badf;
    if (count > mostVectors) return errno.inval;
    const memory = this.#range(vectors, count * 8, "the vectors of fd_write");
    const view = new DataView(memory.buffer);
    const lines = fd === 1 ? (this.#stdout ??= this.#lines("stdout")) : (this.#stderr ??= this.#lines("stderr"));
    let total = 0;
    let passed = 0;
    for (let i = 0; i < count; i++) {
      const at = view.getUint32(vectors + i * 8, true);
      const length = view.getUint32(vectors + i * 8 + 4, true);
      this.#range(at, length, "what fd_write should write");
      total += length;
      // A flood is cut here and counted as written, so that the guest goes on.
      const part = Math.min(length, textBytes - passed);
      if (part > 0) lines.write(memory.subarray(at, at + part));
      passed += part;
    }
    this.#frame.charge(3_000 + passed);
    return this.#store(written, 4, (to, at) => to.setUint32(at, total >>> 0, true));
  }

  #lines(stream: "stdout" | "stderr"): LineBuffer {
    return new LineBuffer((line) => {
      const { ended, host, call } = this.#frame;
      if (!ended) host.log(stream, line, call);
    });
  }

  /** A character device that may be written. Layout: filetype u8, flags u16 at 2, rights u64 at 8 and 16. */
  #describeFile(fd: number, at: number): number {
    if (!isStandard(fd)) return errno.badf;
    return this.#store(at, 24, (view, to) => {
      const rightToReadOrWrite = fd === 0 ? 1n << 1n : 1n << 6n;
      view.setUint8(to, 2);
      view.setUint8(to + 1, 0);
      view.setUint16(to + 2, 0, true);
      view.setUint32(to + 4, 0, true);
      view.setBigUint64(to + 8, rightToReadOrWrite, true);
      view.setBigUint64(to + 16, 0n, true);
    });
  }

  #random(at: number, length: number): number {
    if (length > mostRandom) return errno.inval;
    const memory = this.#range(at, length, "where random_get should write");
    randomFillSync(memory, at, length);
    this.#frame.charge(1_000 + length);
    return errno.success;
  }

  #time(clock: number, at: number): number {
    if (!isClock(clock)) return errno.inval;
    this.#frame.charge(200);
    const ns = nanoseconds(clock);
    return this.#store(at, 8, (view, to) => view.setBigUint64(to, ns, true));
  }

  #none(count: number, size: number): number {
    return (
      this.#store(count, 4, (view, at) => view.setUint32(at, 0, true)) ||
      this.#store(size, 4, (view, at) => view.setUint32(at, 0, true))
    );
  }

  /** Sleeps until the first clock is due; files are ready at once, with EBADF. */
  #poll(module: WasiModule, subscriptions: number, events: number, count: number, ready: number): number {
    if (count === 0 || count > mostSubscriptions) return errno.inval;
    const layout = subscriptionLayout[module];
    const memory = this.#range(subscriptions, count * layout.size, "the subscriptions of poll_oneoff");
    this.#range(events, count * eventBytes, "the events of poll_oneoff");
    this.#range(ready, 4, "the count of poll_oneoff");
    const view = new DataView(memory.buffer);
    const due: { userdata: bigint; type: number; error: number; ms: number }[] = [];
    for (let i = 0; i < count; i++) {
      const at = subscriptions + i * layout.size;
      const userdata = view.getBigUint64(at, true);
      const type = view.getUint8(at + 8);
      if (type !== 0) {
        due.push({ userdata, type, error: errno.badf, ms: 0 });
        continue;
      }
      const clock = view.getUint32(at + layout.clockId, true);
      const timeout = view.getBigUint64(at + layout.timeout, true);
      const absolute = (view.getUint16(at + layout.flags, true) & 1) === 1;
      const ns = absolute && isClock(clock) ? timeout - nanoseconds(clock) : timeout;
      const error = isClock(clock) ? errno.success : errno.inval;
      due.push({ userdata, type, error, ms: error ? 0 : Math.max(0, Number(ns) / 1e6) });
    }
    this.#frame.charge(2_000 * count);
    const ms = Math.min(longestSleepMs, ...due.map((each) => each.ms));
    const report = () => {
      const happened = due.filter((each) => each.ms <= ms);
      happened.forEach(({ userdata, type, error }, i) =>
        this.#store(events + i * eventBytes, eventBytes, (to, at) => {
          new Uint8Array(to.buffer, at, eventBytes).fill(0);
          to.setBigUint64(at, userdata, true);
          to.setUint16(at + 8, error, true);
          to.setUint8(at + 10, type);
        }),
      );
      return this.#store(ready, 4, (to, at) => to.setUint32(at, happened.length, true));
    };
    return ms === 0 ? report() : this.#frame.pend(sleep(ms, report));
  }

  #range(at: number, length: number, what: string): Uint8Array {
    const memory = this.#frame.memory();
    if (at + length > memory.length) throw this.#frame.fault(`${what} lies outside its memory`);
    return memory;
  }

  #store(at: number, length: number, write: (view: DataView, at: number) => void): number {
    const memory = this.#range(at, length, "where WASI should write");
    write(new DataView(memory.buffer), at);
    this.#frame.charge(100);
    return errno.success;
  }
}

/** Pending of a guest that sleeps; a timer of its own, ended with the guest. */
function sleep(ms: number, wake: () => number): Pending<void> {
  let timer: NodeJS.Timeout | undefined;
  const promise = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  return {
    promise,
    answered: wake,
    refused: () => sentinel.kill,
    cancel: () => clearTimeout(timer),
  };
}

function isStandard(fd: number): boolean {
  return fd >= 0 && fd <= 2;
}

/** Realtime, monotonic, and the two CPU clocks, which read as monotonic. */
function isClock(clock: number): boolean {
  return clock >= 0 && clock <= 3;
}

function nanoseconds(clock: number): bigint {
  return clock === 0 ? BigInt(Date.now()) * 1_000_000n : process.hrtime.bigint();
}
