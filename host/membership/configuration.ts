import { fail, isPublicKey } from "../../lattice/index.ts";
import { accepted, type Ack } from "./acks.ts";
import type { Desk } from "./desk.ts";

interface Entity {
  readonly entity: string;
}
interface Named extends Entity {
  readonly name: string;
}

/** Source: lattice protocol reference, sections 6 and 10; captures of 0.82, sections 3 and 6. */
export async function putConfig(
  { configuration, host }: Desk,
  { entity, name }: Named,
  value: Uint8Array,
): Promise<Ack> {
  checkEntity(entity);
  await configuration.put(keyOf(entity, name), value);
  host.events.emit("config_set", { entity_id: entity, key: name });
  return accepted;
}

export async function deleteConfig({ configuration, host }: Desk, { entity, name }: Named): Promise<Ack> {
  checkEntity(entity);
  await configuration.delete(keyOf(entity, name));
  host.events.emit("config_deleted", { entity_id: entity, key: name });
  return accepted;
}

/** All of one entity; clients of 0.82 mean it by a deletion without a name. */
export async function clearConfig({ configuration, host }: Desk, { entity }: Entity): Promise<Ack> {
  checkEntity(entity);
  for (const { key } of await configuration.list("*")) {
    const name = nameIn(key, entity);
    if (name === undefined) continue;
    await configuration.delete(key);
    host.events.emit("config_deleted", { entity_id: entity, key: name });
  }
  return accepted;
}

export async function getConfig({ configuration }: Desk, { entity, name }: Named): Promise<object> {
  checkEntity(entity);
  const found = await configuration.get(keyOf(entity, name));
  return { data: [...(found?.value ?? [])], found: found !== undefined };
}

export async function getAllConfig({ configuration }: Desk, { entity }: Entity): Promise<object> {
  checkEntity(entity);
  const entries = (await configuration.list("*")).flatMap(({ key, value }) => {
    const name = nameIn(key, entity);
    return name === undefined ? [] : [[name, [...value]] as const];
  });
  return Object.fromEntries(entries);
}

const keyOf = (entity: string, name: string): string => `${entity}_${name}`;

function nameIn(key: string, entity: string): string | undefined {
  return key.startsWith(`${entity}_`) ? key.slice(entity.length + 1) : undefined;
}

/** @throws LatticeError REQUEST_INVALID. */
function checkEntity(entity: string): void {
  if (!isPublicKey(entity, "module") && !isPublicKey(entity, "service"))
    throw fail("REQUEST_INVALID", "config", "the entity must be the public key of an actor or provider");
}
