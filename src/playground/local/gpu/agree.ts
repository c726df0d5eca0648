// When what the GPU computed is what the processor computed.

/** Of a log-probability, and of a step's score. */
const TOLERANCE = 0.001;

/** Whether all numbers are there, are numbers, and are within 0.001 of the processor's. */
export function agree(onGpu: readonly number[], onProcessor: readonly number[]): boolean {
  return (
    onProcessor.length > 0 &&
    onGpu.length === onProcessor.length &&
    onProcessor.every((value, at) => Math.abs((onGpu[at] ?? Number.NaN) - value) <= TOLERANCE)
  );
}
