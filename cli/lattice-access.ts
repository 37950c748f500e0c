import { Option, type Command } from "commander";
import {
  connectNats,
  fail,
  type LatticeConnection,
  type LatticeError,
  type NatsOptions,
  nuid,
  Subjects,
} from "../lattice/index.ts";
import { type Document, parseAnswer, textOf } from "./client.ts";
import { textOption, type Options } from "./command.ts";
import { setting } from "./context.ts";
import { parseDuration } from "./durations.ts";
import { addNatsLogin, natsLogin, natsOptions } from "./nats-settings.ts";
import { whatIsOpen } from "./what-is-open.ts";

/**
 * When all are asked: longest wait for the first answer, and for further ones after the last, in
 * milliseconds. A machine that is busy answers late, and nobody knows how many there are.
 */
const firstAnswerMs = 2_000;
const quietMs = 400;
/** Longest wait for the server; --timeout makes it shorter. */
const longestConnectMs = 5_000;

/** The options of every command that may reach a lattice; wash's own are understood too. */
export function addLatticeOptions(command: Command): void {
  command.addOption(new Option("--nats <url>", "NATS server of the lattice"));
  addNatsLogin(command);
  command
    .addOption(new Option("--creds <file>", "as --nats-creds").hideHelp())
    .addOption(new Option("-x, --lattice <name>", "name of the lattice"))
    .addOption(new Option("--lattice-prefix <name>", "as --lattice").hideHelp())
    .addOption(new Option("--ctl-host <host>", "as --nats, with --ctl-port").hideHelp())
    .addOption(new Option("--ctl-port <port>", "as --nats, with --ctl-host").hideHelp())
    .addOption(new Option("--ctl-credsfile <file>", "as --nats-creds").hideHelp());
}

/** Where the lattice is and whether somebody asked for it here and now, or it only stands in wash's context. */
export interface LatticeChoice {
  readonly nats: NatsOptions;
  readonly lattice: string;
  readonly asked: boolean;
  /** Longest wait for the server, in milliseconds. Default 5 000. */
  readonly connectMs?: number;
}

/** The lattice that options, variables or a context name; undefined when none does. */
export function latticeChoice(options: Options): LatticeChoice | undefined {
  const lattice = textOption(options, "lattice") ?? textOption(options, "latticePrefix") ?? setting("lattice").value;
  const [ctlHost, ctlPort] = [textOption(options, "ctlHost"), textOption(options, "ctlPort")];
  const ofWash =
    ctlHost === undefined && ctlPort === undefined ? undefined : `${ctlHost ?? "127.0.0.1"}:${ctlPort ?? 4222}`;
  const { value, origin } = setting("nats");
  const servers = textOption(options, "nats") ?? ofWash ?? value;
  if (servers === "") return undefined;
  const given = textOption(options, "nats") !== undefined || ofWash !== undefined;
  return {
    nats: { ...natsOptions(servers, natsLogin(options)), name: "lattice" },
    lattice,
    connectMs: connectWait(textOption(options, "timeout")),
    asked: given || !origin.includes("/.wash/"),
  };
}

function connectWait(timeout: string | undefined): number {
  return Math.min(longestConnectMs, timeout === undefined ? Infinity : parseDuration(timeout, "--timeout"));
}

/** One lattice as this run of the command line reaches it. */
export class LatticeAccess {
  readonly connection: LatticeConnection;
  readonly subjects: Subjects;

  constructor(connection: LatticeConnection, lattice: string) {
    this.connection = connection;
    this.subjects = new Subjects(lattice, setting("control_prefix").value);
  }

  /** The record of every host that answers, in the order of their names. */
  async hosts(): Promise<Document[]> {
    return await this.gather(this.subjects.write("pingHosts"));
  }

  /** Asks everybody, until nobody has answered for a while. No answer is an empty list. */
  async gather(subject: string, request: object = {}, waitMs: number = quietMs): Promise<Document[]> {
    const { bus } = this.connection;
    const documents: Document[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    let timer = setTimeout(resolve, Math.max(firstAnswerMs, waitMs));
    const inbox = `_INBOX.${nuid()}`;
    const subscription = bus.subscribe(inbox, ({ payload }) => {
      try {
        documents.push(parseAnswer(Buffer.from(payload).toString("utf8"), subject, "ask"));
        clearTimeout(timer);
        timer = setTimeout(resolve, waitMs);
      } catch {
        // Whatever else answers on this subject is no host of ours.
      }
    });
    bus.publish(subject, Buffer.from(JSON.stringify(request)), { reply: inbox });
    await promise;
    subscription.unsubscribe();
    return documents.toSorted((a, b) => (textOf(a, "id") ?? "").localeCompare(textOf(b, "id") ?? ""));
  }
}

let opened: Promise<LatticeAccess> | undefined;

/**
 * The connection of this run, made once.
 * @throws LatticeError NATS_UNREACHABLE, also for wrong credentials, within a few seconds.
 */
export function openLattice({ nats, lattice, connectMs = longestConnectMs }: LatticeChoice): Promise<LatticeAccess> {
  opened ??= (async () => {
    const troubles = new Troubles();
    const connection = await connectNats(nats, { onProblem: (problem) => troubles.note(problem) });
    whatIsOpen.add(() => connection.close());
    await reached(connection, troubles, connectMs);
    return new LatticeAccess(connection, lattice);
  })();
  return opened;
}

/** What keeps a connection from being made. */
class Troubles {
  last: LatticeError | undefined;
  onRefused: (problem: LatticeError) => void = () => {};

  note(problem: LatticeError): void {
    this.last = problem;
    if (problem.code === "NATS_REFUSED") this.onRefused(problem);
  }
}

/** Who is refused once is refused again: nobody waits for that. */
function reached(connection: LatticeConnection, troubles: Troubles, connectMs: number): Promise<void> {
  const { bus } = connection;
  if (bus.status === "connected") return Promise.resolve();
  if (troubles.last?.code === "NATS_REFUSED") return Promise.reject(troubles.last);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const why = () => troubles.last ?? fail("NATS_UNREACHABLE", connection.describe().server, "nobody answers");
  const timer = setTimeout(() => reject(why()), connectMs);
  troubles.onRefused = reject;
  const end = bus.onStatus((status) => {
    if (status === "connected") resolve();
  });
  return promise.finally(() => {
    clearTimeout(timer);
    end();
  });
}
