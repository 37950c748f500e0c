import { Packr } from "msgpackr";
import type { Link, Provider } from "../capabilities/index.ts";
import { readPublish } from "../capabilities/index.ts";
import type { Era } from "../lattice/index.ts";
import { type FakeContext, type FakeLinkOptions, fakeCall, fakeContext, fakeLink } from "./fakes.ts";

const packr = new Packr({ useRecords: false, variableMapSize: true });

export interface Got {
  readonly actor: string;
  readonly operation: string;
  readonly text: string;
  readonly replyTo: string;
}

/** A messaging provider with some actors that note what they get. */
export class Room {
  readonly got: Got[] = [];
  readonly messaging: Provider;
  readonly context: FakeContext;
  readonly #values: Readonly<Record<string, string>>;
  onMessage: (got: Got, link: Link) => unknown = () => undefined;

  /** `values`: what every link has, such as where the server is. */
  constructor(messaging: Provider, values: Readonly<Record<string, string>> = {}) {
    this.messaging = messaging;
    this.#values = values;
    this.context = fakeContext(async (link, operation, payload) => {
      const { subject, replyTo, body } = readPublish(link.linkedActor.era, payload);
      const got = {
        actor: link.linkedActor.name,
        operation,
        text: `${subject}: ${Buffer.from(body).toString()}`,
        replyTo,
      };
      this.got.push(got);
      await this.onMessage(got, link);
      return new Uint8Array(0);
    });
    void this.messaging.start?.(this.context);
  }

  link(name: string, values: Record<string, string> = {}, options: FakeLinkOptions = {}): Link {
    return fakeLink({ ...this.#values, ...values }, { name, contractId: "wasmcloud:messaging", ...options });
  }

  async join(name: string, values: Record<string, string> = {}, options: FakeLinkOptions = {}): Promise<Link> {
    const link = this.link(name, values, options);
    await this.messaging.putLink?.(link);
    return link;
  }

  publish(subject: string, text: string | Uint8Array, replyTo = "", link = this.link("sender")): Uint8Array {
    const payload = packr.pack({ subject, replyTo, body: Buffer.from(text) });
    return this.messaging.handle(fakeCall("E4", "Messaging.Publish", payload, { link })) as Uint8Array;
  }

  async request(subject: string, text: string, timeoutMs: number, era: Era = "E4"): Promise<Uint8Array> {
    const payload = packr.pack({ subject, body: Buffer.from(text), timeoutMs });
    const operation = era === "E4" ? "Messaging.Request" : "Request";
    return this.messaging.handle(fakeCall(era, operation, payload, { link: this.link("sender") }));
  }

  texts(actor: string): string[] {
    return this.got.filter((each) => each.actor === actor).map(({ text }) => text);
  }
}
