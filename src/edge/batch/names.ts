// Names of batches, their workflows and their objects: made from what they are, so that a repeated step names the same.

/** An id in OpenAI's form. */
export function newId(kind: "file" | "batch"): string {
  const hex = crypto.randomUUID().replaceAll("-", "");
  return kind === "file" ? `file-${hex}` : `batch_${hex}`;
}

/** Whose ledger it is: a key's, or everyone's where there are none. */
export function ownerOf(client: string, hasKeys: boolean): string {
  return hasKeys ? `key:${client}` : "everyone";
}

/** The key's name. */
export function clientOf(owner: string): string {
  return owner.replace(/^key:/, "");
}

/** The workflow of a batch; a new one where the last has died. */
export function jobInstance(batch: string, life = 0): string {
  return life === 0 ? batch : `${batch}-again-${life}`;
}

/** The workflow of a shard. */
export function shardInstance(batch: string, shard: number, life = 0): string {
  return life === 0 ? `${batch}-${shard}` : `${batch}-${shard}-again-${life}`;
}

export function inputKey(file: string): string {
  return `files/${file}`;
}

/** The lines of the records from `first` on. */
export function chunkKey(batch: string, first: number): string {
  return `chunks/${batch}/${String(first).padStart(12, "0")}`;
}

/** A name that is this batch's own, so that it needs no place to be remembered. */
export function resultFileId(batch: string, kind: "output" | "error"): string {
  return `file-${batch.replace("batch_", "")}-${kind}`;
}

/** The id of one request of a batch. */
export function requestId(batch: string, record: number): string {
  return `batch_req_${batch.replace("batch_", "")}_${record}`;
}
