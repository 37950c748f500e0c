import type {
  HttpHandler,
  InvokeOptions,
  Link,
  ListenerLease,
  ListenerOwner,
  LogRecord,
  Provider,
  ProviderCall,
  ProviderContext,
} from "../capabilities/index.ts";
import { type Era, type GuestLanguage, linkId } from "../lattice/index.ts";

/** Bytes from hex, blanks allowed. */
export function bytes(digits: string): Uint8Array {
  return new Uint8Array(Buffer.from(digits.replaceAll(/\s/g, ""), "hex"));
}

export function hex(of: Uint8Array): string {
  return Buffer.from(of).toString("hex");
}

export interface FakeLinkOptions {
  readonly era?: Era;
  readonly language?: GuestLanguage;
  readonly name?: string;
  readonly contractId?: string;
  readonly linkName?: string;
  readonly revision?: number;
}

/** A link as the host would hand it to a provider. */
export function fakeLink(values: Readonly<Record<string, string>> = {}, options: FakeLinkOptions = {}): Link {
  const { era = "E4", language = "rust", name = "counter", revision = 1, linkName = "default" } = options;
  const { contractId = "wasmcloud:keyvalue" } = options;
  const definition = { actor: `M${name}`, provider: "Vprovider", contractId, linkName, values };
  return {
    ...definition,
    id: linkId(definition),
    revision,
    linkedActor: { key: definition.actor, name, era, language, issuer: "A", capabilities: [contractId], tags: [] },
  };
}

/** A call as dispatch would make it. */
export function fakeCall(
  era: Era,
  operation: string,
  payload: Uint8Array,
  more: Partial<ProviderCall> = {},
): ProviderCall {
  const link = more.link ?? fakeLink({}, { era });
  return {
    contractId: link.contractId,
    operation,
    payload,
    linkName: link.linkName,
    origin: { kind: "actor", key: link.actor, name: link.linkedActor.name, placement: "p1", era },
    era,
    link,
    deadline: performance.now() + 30_000,
    hops: 0,
    trace: undefined,
    ...more,
  };
}

/** What a provider told its host. */
export interface FakeContext extends ProviderContext {
  readonly actorLog: { readonly call: ProviderCall; readonly record: LogRecord }[];
  readonly lines: { readonly level: string; readonly text: string }[];
}

type Invoke = (
  link: Link,
  operation: string,
  payload: Uint8Array,
  options: InvokeOptions,
) => Uint8Array | Promise<Uint8Array>;
type Claim = (address: string, owner: ListenerOwner, handler: HttpHandler) => Promise<ListenerLease>;

/** A provider's host in a few lines: actors are a function, listeners another. */
export function fakeContext(invoke: Invoke = () => new Uint8Array(0), claim?: Claim): FakeContext {
  const context: FakeContext = {
    key: "Vprovider",
    linkName: "default",
    config: {},
    signal: new AbortController().signal,
    listeners: {
      answered: () => undefined,
      claim: claim ?? (() => Promise.reject(new Error("no listeners in this test"))),
    },
    invoke: async (link, operation, payload, options = {}) => invoke(link, operation, payload, options),
    actorLog: [],
    lines: [],
    writeActorLog: (call, record) => void context.actorLog.push({ call, record }),
    log: (level, text) => void context.lines.push({ level, text }),
  };
  return context;
}

/** Asks a provider and gives its answer as hex, so that tests can state literal bytes. */
export async function ask(provider: Provider, era: Era, operation: string, payloadHex = ""): Promise<string> {
  return hex(await provider.handle(fakeCall(era, operation, bytes(payloadHex))));
}
