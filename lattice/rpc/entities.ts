/** Who asks or is asked, as it stands in invocations. For an actor contract and link name are empty. */
export interface WireEntity {
  /** M key of an actor, V key of a provider. */
  readonly publicKey: string;
  readonly linkName: string;
  readonly contractId: string;
}

export function actorEntity(publicKey: string): WireEntity {
  return { publicKey, linkName: "", contractId: "" };
}

export function providerEntity(publicKey: string, contractId: string, linkName: string): WireEntity {
  return { publicKey, linkName, contractId };
}

export function isActorEntity({ publicKey }: WireEntity): boolean {
  return publicKey.startsWith("M");
}

/** Source: lattice protocol reference, section 3.1. */
export function entityUrl(entity: WireEntity): string {
  if (isActorEntity(entity)) return `wasmbus://${entity.publicKey}`;
  const contract = entity.contractId.replaceAll(":", "/").replaceAll(" ", "_").toLowerCase();
  const linkName = entity.linkName.replaceAll(" ", "_").toLowerCase();
  return `wasmbus://${contract}/${linkName}/${entity.publicKey}`;
}

export function targetUrl(target: WireEntity, operation: string): string {
  return `${entityUrl(target)}/${operation}`;
}

/** Only the part after the last `/` goes over the wire. Source: lattice protocol reference, section 3. */
export function wireOperation(operation: string): string {
  return operation.slice(operation.lastIndexOf("/") + 1);
}
