// Counters and histograms of this isolate in Prometheus' text format; a platform that runs many isolates sums them up.
// https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format

import { createHistogram, type Histogram } from "./histogram.ts";

export interface Gauges {
  queueLength: number;
  memoryBytes: number;
  status(): { running: number; waiting: number; tokensPerSecond: number };
}

export interface Metrics {
  /** Counts one answered request; `route` is a pattern such as /generate, never a raw path. */
  countRequest(route: string, status: number, seconds: number): void;
  /** Adds to a counter, and to the line of a key, where it has a name. */
  add(name: CounterName, amount: number, key?: string): void;
  observe(name: HistogramName, value: number): void;
  /** The text of /metrics. */
  render(gauges: Gauges): string;
}

const COUNTERS = {
  stepwise_prompt_tokens_total: "Tokens read by the models.",
  stepwise_generated_tokens_total: "Tokens written by the policy.",
  stepwise_scored_steps_total: "Steps scored by the reward model.",
} as const;
export type CounterName = keyof typeof COUNTERS;

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const MEGABYTES = [16, 32, 48, 64, 80, 96, 112, 128];
const HISTOGRAMS = {
  stepwise_queue_wait_seconds: { help: "Time in the line, of requests that began to run.", bounds: SECONDS },
  stepwise_batch_rows: { help: "Texts that a step of the decoder wrote on.", bounds: [1, 2, 4, 8, 16, 32] },
  stepwise_memory_bytes: {
    help: "Memory of the ONNX runtime when a request was done.",
    bounds: MEGABYTES.map((megabytes) => megabytes * 1_000_000),
  },
  stepwise_batch_requests: { help: "Requests running when one came.", bounds: [0, 1, 2, 4, 8, 16, 32] },
  stepwise_line_requests: { help: "Requests waiting when one came.", bounds: [0, 1, 2, 4, 8, 16, 32] },
  stepwise_first_token_seconds: { help: "Time to a text's first token, waiting included.", bounds: SECONDS },
  stepwise_token_seconds: {
    help: "Time from one token of a text to the next.",
    bounds: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
  },
} as const;
export type HistogramName = keyof typeof HISTOGRAMS;

/** Fresh counters, all zero. `keys` are the names that have lines of their own. */
export function createMetrics(keys: readonly string[] = []): Metrics {
  const requests = new Map<string, number>();
  const durations = new Map<string, Histogram>();
  const counters = new Map<string, number>();
  const histograms = new Map(
    Object.entries(HISTOGRAMS).map(([name, { bounds }]) => [name, createHistogram(bounds)] as const),
  );
  return {
    countRequest(route, status, seconds) {
      const labels = `route="${route}",status="${status}"`;
      requests.set(labels, (requests.get(labels) ?? 0) + 1);
      const duration = durations.get(route) ?? createHistogram(SECONDS);
      duration.observe(seconds);
      durations.set(route, duration);
    },
    add(name, amount, key) {
      counters.set(name, (counters.get(name) ?? 0) + amount);
      if (key === undefined || !keys.includes(key)) return;
      const line = `${name.replace("stepwise_", "stepwise_key_")}{key="${key}"}`;
      counters.set(line, (counters.get(line) ?? 0) + amount);
    },
    observe: (name, value) => histograms.get(name)?.observe(value),
    render({ queueLength, memoryBytes, status }) {
      const lines = ["# HELP stepwise_requests_total Requests answered.", "# TYPE stepwise_requests_total counter"];
      for (const [labels, count] of requests) lines.push(`stepwise_requests_total{${labels}} ${count}`);
      lines.push("# HELP stepwise_request_seconds Time to answer.", "# TYPE stepwise_request_seconds histogram");
      for (const [route, duration] of durations)
        lines.push(...duration.render("stepwise_request_seconds", `route="${route}"`));
      for (const [name, { help }] of Object.entries(HISTOGRAMS)) {
        lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} histogram`, ...(histograms.get(name)?.render(name) ?? []));
      }
      for (const [name, help] of Object.entries(COUNTERS)) {
        lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} counter`, `${name} ${counters.get(name) ?? 0}`);
        const own = name.replace("stepwise_", "stepwise_key_");
        const ofKeys = keys.map((key) => `${own}{key="${key}"}`);
        if (ofKeys.length > 0) lines.push(`# HELP ${own} ${help} By key.`, `# TYPE ${own} counter`);
        for (const line of ofKeys) lines.push(`${line} ${counters.get(line) ?? 0}`);
      }
      const { running, waiting, tokensPerSecond } = status();
      const gauges: [string, string, number][] = [
        ["stepwise_queue_length", "Requests running or waiting.", queueLength],
        ["stepwise_requests_running", "Requests that the models work on.", running],
        ["stepwise_requests_waiting", "Requests that wait for the models.", waiting],
        ["stepwise_tokens_per_second", "Speed of late.", tokensPerSecond],
        [
          "stepwise_wasm_memory_bytes",
          "Memory of the ONNX runtime; it counts against the isolate's 128 MB.",
          memoryBytes,
        ],
      ];
      for (const [name, help, value] of gauges)
        lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} gauge`, `${name} ${value}`);
      return `${lines.join("\n")}\n`;
    },
  };
}
