import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { binaryOf, type VerifiedArchive } from "../../actors/index.ts";
import type { Health, Link, Provider, ProviderCall, ProviderContext } from "../../capabilities/index.ts";
import {
  actorEntity,
  decodeHealth,
  decodeResponse,
  encodeInvocation,
  encodeLinkMessage,
  encodeShutdown,
  fail,
  healthRequest,
  inlineLimitBytes,
  InvocationSigner,
  isLatticeError,
  KeyPair,
  type LatticeError,
  type NatsOptions,
  providerEntity,
  providerStartLine,
  readCredentials,
  traceHeaders,
  type WireEntity,
  wireOperation,
} from "../../lattice/index.ts";
import { ActorCalls } from "./actor-calls.ts";
import { LinkDoors } from "./link-doors.ts";
import { checkLinkValues } from "./link-schema.ts";
import { PrivateLattice } from "./private-lattice.ts";
import { ProgramRun } from "./program-run.ts";
import { unpackProgram } from "./programs.ts";

export interface ArchiveOptions {
  /** The servers over which host and program speak; both connect to them. */
  readonly nats: NatsOptions;
  /** N key of the host. */
  readonly hostId: string;
  readonly stateDirectory: string;
  /** The host's own lattice. */
  readonly lattice: string;
  /** Most bytes of a payload. */
  readonly payloadBytes: number;
  readonly rpcTimeoutMs?: number;
  /** Told of each message on its own subjects that is no call of its program. */
  readonly onRefused?: (error: LatticeError) => void;
  /** Longest wait for its first word, in milliseconds. Default 9 000. */
  readonly readyMs?: number;
  /** Longest wait for its end after it was asked to, in milliseconds. Default 1 000. */
  readonly stopMs?: number;
}

/** How long the first link message may take to be refused because nobody hears it, in milliseconds. */
const unheardMs = 100;
/** Longest wait for a program that is well to listen for links, too. */
const hearingMs = 2_000;
const healthMs = 900;
/** How long a program that nobody hears any more may take to be seen gone, in milliseconds. */
const exitMs = 200;
/** What a program that answers is given to work on a link message, too, in milliseconds. */
const settleMs = 20;

interface Running {
  readonly run: ProgramRun;
  /** It listens for links by now. */
  hearsLinks: boolean;
  readonly between: PrivateLattice;
  readonly signer: InvocationSigner;
  readonly me: WireEntity;
}

/**
 * A provider archive of the 0.x years as a provider like any other. Its program speaks the old protocol on NATS,
 * in a lattice that it has with this host alone: calls from and to it pass the host's dispatch with its checks, and
 * the key that signs its invocations is its own, made at each start and believed nowhere else.
 *
 * The host speaks for it to the rest of the lattice. When the program ends unasked, calls fail with PROVIDER_GONE
 * and `health` says so; the host stops and starts it, which runs it again.
 * Source: lattice protocol reference, section 11; waPC and actors reference, section 9.
 */
export class ArchiveProvider implements Provider {
  readonly restartable = true;
  readonly contractId: string;
  readonly name: string;
  readonly key: string;
  readonly #archive: VerifiedArchive;
  readonly #options: Required<Omit<ArchiveOptions, "onRefused">> & Pick<ArchiveOptions, "onRefused">;
  readonly #links = new Map<string, Link>();
  readonly #doors = new LinkDoors();
  #running: Running | undefined;

  constructor(archive: VerifiedArchive, options: ArchiveOptions) {
    const { claims } = archive;
    this.contractId = claims.contractId;
    this.name = claims.name;
    this.key = claims.key;
    this.#archive = archive;
    this.#options = { rpcTimeoutMs: 2_000, readyMs: 9_000, stopMs: 1_000, ...options };
  }

  /** Of its process; undefined while there is none. */
  get pid(): number | undefined {
    return this.#running === undefined || this.#running.run.gone ? undefined : this.#running.run.pid;
  }

  /** @throws LatticeError ARCHIVE_TARGET_ABSENT, PROVIDER_GONE, DEADLINE_EXCEEDED when it says nothing. */
  async start(context: ProviderContext): Promise<void> {
    await this.stop();
    const { nats, hostId, stateDirectory, readyMs, lattice, payloadBytes } = this.#options;
    const path = await unpackProgram(binaryOf(this.#archive), stateDirectory);
    const user = nats.credsFile === undefined ? nats : readCredentials(nats.credsFile);
    const between = await PrivateLattice.open({
      nats: { ...nats, name: `${this.name} (archive)` },
      lattice,
      payloadBytes,
      onProblem: ({ message }) => context.log("warn", message),
      signal: context.signal,
    });
    try {
      const ours = KeyPair.generate("cluster");
      const its = KeyPair.generate("cluster");
      const me = providerEntity(this.key, this.contractId, context.linkName);
      new ActorCalls(between, its.publicKey, me, {
        linkOf: (actor) => [...this.#links.values()].find((link) => link.actor === actor),
        context,
        onRefused: this.#options.onRefused,
      }).listen();
      await between.connection.bus.flush();
      const line = this.#startLine(context, between.subjects.lattice, [ours.publicKey, its.publicKey], its.seed, user);
      const run = await ProgramRun.start(this.name, path, line, {
        onLine: (stream, text) => context.log(stream === "stderr" ? "warn" : "info", `${this.name}: ${text}`),
        onGone: (error) => context.log("error", error.message),
      });
      this.#running = { run, hearsLinks: false, between, me, signer: new InvocationSigner(ours, hostId) };
      await this.#ready(this.#running, readyMs);
    } catch (error) {
      await this.stop();
      await between.close();
      throw error;
    }
  }

  /** Old programs pass over a link that they have, so other values are a deletion and a put; its calls wait meanwhile. */
  async putLink(link: Link): Promise<void> {
    const held = this.#links.get(link.id);
    if (held?.revision === link.revision) return;
    checkLinkValues(this.#archive.claims.configSchema, link.values, this.name);
    if (held) return this.#doors.shut(link.id, () => this.#exchange(held, link));
    this.#links.set(link.id, link);
    await this.#tellLink("providerPutLink", link);
  }

  /**
   * Programs work on each subject by itself, so that neither a put nor the health asked after a deletion says that
   * this one is done. Hence the pauses, and the second put: it is passed over unless the deletion undid the first.
   */
  async #exchange(held: Link, link: Link): Promise<void> {
    await this.#tellLink("providerDeleteLink", held);
    await pause(settleMs);
    this.#links.set(link.id, link);
    for (let time = 0; time < 2; time++) {
      await this.#tellLink("providerPutLink", link);
      await pause(settleMs);
    }
  }

  async deleteLink(link: Link): Promise<void> {
    const held = this.#links.get(link.id);
    if (!held) return;
    this.#links.delete(link.id);
    if (this.pid !== undefined) await this.#tellLink("providerDeleteLink", held);
  }

  handle(call: ProviderCall): Promise<Uint8Array> {
    return this.#doors.pass(call.link.id, call.deadline, () => this.#ask(call));
  }

  async #ask({ origin, operation, payload, trace, deadline }: ProviderCall): Promise<Uint8Array> {
    const { run, between, signer, me } = this.#live();
    const { connection, subjects, large } = between;
    if (origin.kind !== "actor") throw fail("OPERATION_UNKNOWN", this.contractId, operation);
    const signed = signer.sign({
      origin: actorEntity(origin.key),
      target: me,
      operation: wireOperation(operation),
      payload,
      trace,
    });
    const subject = subjects.write("providerRpc", { provider: this.key, linkName: me.linkName });
    const invocation = await large.offload(signed);
    const timeoutMs = Math.max(1, Math.round(deadline - performance.now()));
    try {
      const reply = await connection.bus.request(subject, encodeInvocation(invocation), {
        timeoutMs,
        headers: traceHeaders(trace),
        signal: run.ended,
      });
      const response = decodeResponse(reply.payload, invocation);
      if (response.error !== undefined) throw fail("PROVIDER_FAILED", this.name, operation, response.error);
      return await large.payloadOfResponse(response);
    } catch (error) {
      if (payload.length > inlineLimitBytes) void large.discard(signed.id);
      if (isLatticeError(error) && error.code === "RPC_TIMEOUT")
        throw fail("DEADLINE_EXCEEDED", `${operation} of ${this.name}`, timeoutMs);
      throw await this.#whyNot(run, error);
    }
  }

  async health(): Promise<Health> {
    const { run } = this.#running ?? {};
    if (!run || run.gone) return { healthy: false, message: (run?.gone ?? fail("STOPPED", this.name)).message };
    try {
      const { healthy, message } = await this.#askHealth(this.#live(), healthMs);
      return message === undefined ? { healthy } : { healthy, message };
    } catch (error) {
      throw await this.#whyNot(run, error);
    }
  }

  /** The server may know that a program has ended before its host does. */
  async #whyNot(run: ProgramRun, error: unknown): Promise<unknown> {
    if (isLatticeError(error) && error.code === "NO_RESPONDERS") await run.endsWithin(exitMs);
    return run.gone ?? error;
  }

  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    if (!running) return;
    const { run, between, me } = running;
    const { stopMs, hostId } = this.#options;
    const subject = between.subjects.write("providerShutdown", { provider: this.key, linkName: me.linkName });
    await run.stop(
      () => between.connection.bus.request(subject, encodeShutdown(hostId), { timeoutMs: stopMs, signal: run.ended }),
      stopMs,
    );
    this.#links.clear();
    await between.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #live(): Running {
    const running = this.#running;
    if (!running) throw fail("STOPPED", this.name);
    if (running.run.gone) throw running.run.gone;
    return running;
  }

  /** It answers for its health once it listens. */
  async #ready(running: Running, readyMs: number): Promise<void> {
    const end = performance.now() + readyMs;
    for (;;) {
      if (running.run.gone) throw running.run.gone;
      if (performance.now() > end) throw fail("DEADLINE_EXCEEDED", `start of ${this.name}`, readyMs);
      try {
        await this.#askHealth(running, 1_000);
        return;
      } catch (error) {
        if (!isLatticeError(error) || error.kind !== "unavailable") throw error;
        await pause(20);
      }
    }
  }

  async #askHealth({ between: { connection, subjects }, me, run }: Running, timeoutMs: number) {
    const subject = subjects.write("providerHealth", { provider: this.key, linkName: me.linkName });
    const reply = await connection.bus.request(subject, healthRequest, { timeoutMs, signal: run.ended });
    return decodeHealth(reply.payload);
  }

  /**
   * No reply comes. The first message is sent as a question, since the server says when nobody listens yet; what
   * is heard once is heard again.
   */
  async #tellLink(kind: "providerPutLink" | "providerDeleteLink", link: Link): Promise<void> {
    const running = this.#live();
    const { me, run } = running;
    const { connection, subjects } = running.between;
    const subject = subjects.write(kind, { provider: this.key, linkName: me.linkName });
    const message = encodeLinkMessage({ ...link, provider: this.key, linkName: me.linkName });
    if (running.hearsLinks) {
      connection.bus.publish(subject, message);
      // A question behind it, so that it has most likely taken effect before a call comes.
      await this.#askHealth(running, healthMs).catch(() => {});
      return;
    }
    const end = performance.now() + hearingMs;
    while (!running.hearsLinks) {
      try {
        await connection.bus.request(subject, message, { timeoutMs: unheardMs, signal: run.ended });
        running.hearsLinks = true;
      } catch (error) {
        if (isLatticeError(error) && error.code === "RPC_TIMEOUT") running.hearsLinks = true;
        else if (run.gone || !isLatticeError(error) || error.code !== "NO_RESPONDERS" || performance.now() > end)
          throw run.gone ?? error;
        else await pause(20);
      }
    }
  }

  #startLine(
    { linkName, config }: ProviderContext,
    lattice: string,
    clusterIssuers: readonly string[],
    seed: string,
    { jwt = "", seed: userSeed = "" }: Pick<NatsOptions, "jwt" | "seed">,
  ): string {
    const { nats, hostId, rpcTimeoutMs } = this.#options;
    const [server = ""] = typeof nats.servers === "string" ? nats.servers.split(",") : nats.servers;
    return providerStartLine({
      host: hostId,
      lattice,
      linkName,
      provider: this.key,
      instanceId: randomUUID(),
      rpcUrl: server.trim(),
      userJwt: jwt,
      userSeed,
      invocationSeed: seed,
      clusterIssuers,
      links: [],
      ...(Object.keys(config).length === 0 ? {} : { configuration: JSON.stringify(config) }),
      rpcTimeoutMs,
      ...(nats.domain === undefined ? {} : { jetStreamDomain: nats.domain }),
      structuredLogging: false,
    });
  }
}
