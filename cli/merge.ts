import { textOf, type Document } from "./client.ts";
import type { FoundHost } from "./discovery.ts";

/** A row and who told it. */
export interface Told {
  readonly host: FoundHost;
  readonly row: Document;
}

export interface MergeOptions {
  /** Told of a host whose stream failed while others go on. */
  readonly onLost: (host: FoundHost, error: unknown) => void;
  /** Which of the failures is thrown when all have failed. Default the first. */
  readonly pick?: (errors: readonly unknown[]) => unknown;
  /** How long a row waits for earlier ones of other hosts, in milliseconds. Default 250. */
  readonly holdMs?: number;
  /** Looks for hosts that come later, as often as it resolves; those that ended before are asked again. */
  readonly later?: () => Promise<readonly FoundHost[]>;
}

/**
 * What several hosts tell, in the order of its `time` as far as rows come within a moment of each
 * other. Ends when every host has ended; goes on while one does not fail.
 * @throws what a host failed with, when all failed and none told anything.
 */
export async function* merged(
  hosts: readonly FoundHost[],
  open: (host: FoundHost) => AsyncGenerator<Document>,
  { onLost, pick = ([first]) => first, holdMs = 250, later }: MergeOptions,
): AsyncGenerator<Told> {
  const [only] = hosts;
  if (hosts.length === 1 && only && !later) {
    for await (const row of open(only)) yield { host: only, row };
    return;
  }
  const held: (Told & { readonly came: number })[] = [];
  const failures: unknown[] = [];
  let told = 0;
  let left = hosts.length;
  let wake = (): void => {};
  let isRead = true;
  const streams = new Map<string, AsyncGenerator<Document>>();
  const begin = (host: FoundHost, isFirst: boolean): void => {
    const stream = open(host);
    streams.set(host.id, stream);
    void follow(host, stream, isFirst);
  };
  for (const host of hosts) begin(host, true);
  if (later) void look(later);
  try {
    for (;;) {
      const now = performance.now();
      const ripe = held.filter(({ came }) => left === 0 || now - came >= holdMs);
      if (ripe.length > 0) {
        // What waits but is earlier than a ripe row goes with it.
        const latest = timeOf(ripe.toSorted(byTime).at(-1)!);
        const due = held.filter((each) => ripe.includes(each) || timeOf(each) <= latest).toSorted(byTime);
        for (const each of due) held.splice(held.indexOf(each), 1);
        for (const { host, row } of due) yield { host, row };
        continue;
      }
      if (left === 0) break;
      const wait = held[0] ? Math.max(1, held[0].came + holdMs - now) : undefined;
      await new Promise<void>((resolve) => {
        const timer = wait === undefined ? undefined : setTimeout(resolve, wait);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    if (told === 0 && failures.length === hosts.length) throw pick(failures);
  } finally {
    isRead = false;
    // A stream that waits for its host ends by itself; nobody reads it any more.
    for (const stream of streams.values()) void stream.return(undefined).catch(() => {});
  }

  async function look(find: () => Promise<readonly FoundHost[]>): Promise<void> {
    while (isRead) {
      const found = await find().catch(() => []);
      // What has ended everywhere is over.
      if (!isRead || left === 0) return;
      for (const host of found) {
        if (streams.has(host.id)) continue;
        left++;
        begin(host, false);
      }
    }
  }

  async function follow(host: FoundHost, stream: AsyncGenerator<Document>, isFirst: boolean): Promise<void> {
    try {
      for await (const row of stream) {
        told++;
        held.push({ host, row, came: performance.now() });
        wake();
      }
    } catch (error) {
      if (isFirst) failures.push(error);
      if (isFirst && (failures.length < hosts.length || told > 0)) onLost(host, error);
    } finally {
      streams.delete(host.id);
      left--;
      wake();
    }
  }
}

/** The name of a host that was asked about itself, else its key. */
export function nameOf({ id, record }: FoundHost): string {
  return (record && textOf(record, "friendly_name")) ?? id;
}

/** For what is gathered whole before it is shown. */
export function byTime(a: Told, b: Told): number {
  return timeOf(a).localeCompare(timeOf(b));
}

function timeOf({ row }: Told): string {
  return textOf(row, "time") ?? "";
}
