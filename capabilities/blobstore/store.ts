/**
 * What stands behind `wasmcloud:blobstore`: objects in named containers. Names are any text of 1 to
 * 1024 bytes without a NUL; the store keeps them from meaning anything else, such as a path.
 */
export interface BlobStore {
  readonly name: string;
  /** Makes a container; one that stands stays. */
  createContainer(container: string): Promise<void>;
  /** Removes a container with all its objects; false when there is none. */
  removeContainer(container: string): Promise<boolean>;
  container(container: string): Promise<ContainerInfo | undefined>;
  /** By name. */
  containers(): Promise<ContainerInfo[]>;
  /** By name in the order of their bytes; undefined when there is no such container. */
  objects(container: string): Promise<ObjectInfo[] | undefined>;
  object(container: string, id: string): Promise<ObjectInfo | undefined>;
  /** False when there is none. */
  removeObject(container: string, id: string): Promise<boolean>;
  /**
   * Bytes `start` up to and without `end`, both within the object; all of one state of it.
   * Undefined when there is none.
   */
  read(container: string, id: string, start: number, end: number): Promise<Uint8Array | undefined>;
  /**
   * Begins an object; it is seen, whole, when `finish` resolves, in place of one of that name.
   * @throws LatticeError CONTAINER_ABSENT, STORE_FULL.
   */
  write(container: string, id: string): Promise<BlobWriter>;
  close?(): Promise<void>;
}

export interface ContainerInfo {
  readonly container: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number | undefined;
}

export interface ObjectInfo {
  readonly container: string;
  readonly id: string;
  readonly bytes: number;
  /** Milliseconds since 1970. */
  readonly modifiedAt: number;
}

/** An object on its way in. One of `finish` and `cancel` ends it. */
export interface BlobWriter {
  /** Bytes taken so far: the offset of the next ones. */
  readonly size: number;
  /** The bytes are the caller's again when it resolves. */
  append(bytes: Uint8Array): Promise<void>;
  finish(): Promise<void>;
  cancel(): Promise<void>;
}

/** Why a name is none, or undefined. */
export function nameProblem(name: string): string | undefined {
  const size = Buffer.byteLength(name);
  if (size === 0) return "it is empty";
  if (size > 1_024) return "it has more than 1024 bytes";
  return name.includes("\0") ? "it holds a NUL" : undefined;
}
