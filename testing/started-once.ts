import { after } from "node:test";
import type { Provider, ProviderContext } from "../capabilities/index.ts";

/** A provider that nobody started yet, and the end of what stands behind it. */
export interface OpenedProvider {
  readonly provider: Provider;
  readonly close?: () => Promise<void> | void;
}

/** Within a suite: one provider for all its behaviours, started by the first and stopped after the last. */
export function startedOnce(
  open: () => OpenedProvider | Promise<OpenedProvider>,
  context: ProviderContext,
): () => Promise<Provider> {
  let opening: Promise<OpenedProvider> | undefined;
  const begin = async (): Promise<OpenedProvider> => {
    const opened = await open();
    await opened.provider.start?.(context);
    return opened;
  };
  after(async () => {
    const opened = await opening?.catch(() => undefined);
    await opened?.provider.stop?.();
    await opened?.close?.();
  });
  return async () => (await (opening ??= begin())).provider;
}
