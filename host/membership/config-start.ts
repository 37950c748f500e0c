import { type Bus, describe, encodeConfigQuestion, readConfigAnswer, type Subjects } from "../../lattice/index.ts";
import type { Host } from "../host.ts";
import { addLogins } from "./registries.ts";

/** Longest wait for the service, in milliseconds; without an answer the host goes on as it is. */
const waitMs = 2_000;

/**
 * Asks the lattice's config service once, for credentials of registries and for what to start.
 * Source: lattice protocol reference, section 13.
 */
export async function startAsConfigured(
  host: Host,
  bus: Bus,
  subjects: Subjects,
  startActor: (reference: string) => Promise<unknown>,
): Promise<void> {
  let answer;
  try {
    const question = encodeConfigQuestion(host.labels.all);
    const { payload } = await bus.request(subjects.write("configService"), question, { timeoutMs: waitMs });
    answer = readConfigAnswer(payload);
  } catch (error) {
    host.logger.warn(`the config service of the lattice is left out: ${describe(error)}`);
    return;
  }
  addLogins(host, answer.registries);
  const { allowFiles } = host.config.membership;
  const attempt = async (reference: string, work: () => Promise<unknown>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      host.logger.error(`${reference}, asked for by the config service, does not start: ${describe(error)}`);
    }
  };
  for (const { reference, linkName } of answer.providers)
    await attempt(reference, () =>
      host.startProvider(reference, { linkName, files: allowFiles && /^file:/i.test(reference) }),
    );
  for (const reference of answer.actors) await attempt(reference, () => startActor(reference));
}
