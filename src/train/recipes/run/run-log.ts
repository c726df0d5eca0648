// Where a training run's figures go: the metrics log with trainer_state.json, and TensorBoard events.

import { join } from "node:path";
import { type MetricsLog, openMetricsLog } from "./metrics-log.ts";
import { type EventFile, openEventFile } from "./tensorboard.ts";

export interface RunLog {
  metrics: MetricsLog;
  events: EventFile;
  /** Writes the figures of a step to both. */
  record(step: number, values: Record<string, number>): void;
}

/** Settings of the run that the log states. */
interface LoggedSettings {
  numTrainEpochs: number;
  perDeviceTrainBatchSize: number;
  loggingSteps: number;
  saveSteps: number;
  evalSteps: number | null;
}

/** Opens the logs of a run; of a resumed one, what was logged after step `first` is dropped. */
export function openRunLog(
  outputDir: string,
  config: LoggedSettings,
  run: { first: number; maxSteps: number; epochOf: (step: number) => number },
): RunLog {
  const metrics = openMetricsLog(outputDir, {
    run: {
      maxSteps: run.maxSteps,
      numTrainEpochs: config.numTrainEpochs,
      trainBatchSize: config.perDeviceTrainBatchSize,
      loggingSteps: config.loggingSteps,
      saveSteps: config.saveSteps,
      evalSteps: config.evalSteps,
    },
    ...(run.first > 0 && { resumeStep: run.first }),
  });
  const events = openEventFile(join(outputDir, "runs"), { firstStep: run.first });
  return {
    metrics,
    events,
    record(step, values) {
      metrics.log(step, run.epochOf(step), values);
      for (const [name, value] of Object.entries(values))
        events.scalar(name.startsWith("eval_") ? `eval/${name.slice(5)}` : `train/${name}`, value, step);
    },
  };
}
