// npm run bench -- batch: what is promised of batches, measured in real workerd with Workflows, R2 and Durable Objects.

import { benchBeside, benchOverhead } from "./beside.ts";
import { benchCoordinator } from "./coordinator.ts";
import { benchCpu } from "./cpu.ts";
import { benchFullDisk } from "./full-disk.ts";
import { killsOnStage } from "./kills.ts";
import { benchUpload } from "./upload.ts";

export interface BatchBenchOptions {
  modelDir: string;
  records: number;
  kills: number;
  clients: number;
  rounds: number;
  seconds: number;
  /** Requests of the batch beside them. */
  beside?: number;
  overheadRecords: number;
  uploadMb: number;
  fullDiskRecords: number;
  /** Records of the batch whose coordinator's memory is measured. */
  coordinatorRecords: number;
  /** Pairs whose CPU time is measured; with this reward model. */
  cpuRecords: number;
  rewardDir: string;
  data: string;
  tokens: number;
  say: (line: string) => void;
}

/** Those that are asked for; 0 leaves one out. */
export async function benchBatch(options: BatchBenchOptions) {
  const {
    modelDir,
    records,
    kills,
    clients,
    rounds,
    seconds,
    beside,
    overheadRecords,
    uploadMb,
    fullDiskRecords,
    coordinatorRecords,
    cpuRecords,
    rewardDir,
    data,
    say,
  } = options;
  const maxNewTokens = options.tokens;
  return {
    ...(uploadMb > 0 && { upload: await benchUpload(modelDir, uploadMb) }),
    ...(coordinatorRecords > 0 && {
      coordinator: await benchCoordinator(modelDir, { records: coordinatorRecords, maxNewTokens }),
    }),
    ...(cpuRecords > 0 && {
      cpu: await benchCpu({ modelDir, rewardDir }, { data, records: cpuRecords, maxNewTokens }),
    }),
    ...(overheadRecords > 0 && {
      overhead: await benchOverhead(modelDir, { records: overheadRecords, rounds, maxNewTokens, say }),
    }),
    ...(clients > 0 && {
      beside: await benchBeside(modelDir, { clients, rounds, seconds, beside, maxNewTokens, say }),
    }),
    ...(fullDiskRecords > 0 && {
      full_disk: await benchFullDisk(modelDir, { records: fullDiskRecords, fullSeconds: 20, maxNewTokens, say }),
    }),
    ...(records > 0 && { kills: await killsOnStage(modelDir, { records, kills, maxNewTokens, say }) }),
  };
}
