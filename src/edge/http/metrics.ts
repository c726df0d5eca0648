// Counters of this isolate in Prometheus' text format; a platform that runs many isolates sums them up.
// https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format

export interface Metrics {
  /** Counts one answered request; `route` is a pattern such as /generate, never a raw path. */
  countRequest(route: string, status: number, seconds: number): void;
  add(name: CounterName, amount: number): void;
  /** The text of /metrics. */
  render(gauges: { queueLength: number; memoryBytes: number }): string;
}

const COUNTERS = {
  stepwise_prompt_tokens_total: "Tokens read by the models.",
  stepwise_generated_tokens_total: "Tokens written by the policy.",
  stepwise_scored_steps_total: "Steps scored by the reward model.",
} as const;
export type CounterName = keyof typeof COUNTERS;

/** Fresh counters, all zero. */
export function createMetrics(): Metrics {
  const requests = new Map<string, number>();
  const durations = new Map<string, { sum: number; count: number }>();
  const counters = new Map<string, number>();
  return {
    countRequest(route, status, seconds) {
      const labels = `route="${route}",status="${status}"`;
      requests.set(labels, (requests.get(labels) ?? 0) + 1);
      const { sum, count } = durations.get(route) ?? { sum: 0, count: 0 };
      durations.set(route, { sum: sum + seconds, count: count + 1 });
    },
    add(name, amount) {
      counters.set(name, (counters.get(name) ?? 0) + amount);
    },
    render({ queueLength, memoryBytes }) {
      const lines = ["# HELP stepwise_requests_total Requests answered.", "# TYPE stepwise_requests_total counter"];
      for (const [labels, count] of requests) lines.push(`stepwise_requests_total{${labels}} ${count}`);
      lines.push("# HELP stepwise_request_seconds Time to answer.", "# TYPE stepwise_request_seconds summary");
      for (const [route, { sum, count }] of durations) {
        lines.push(
          `stepwise_request_seconds_sum{route="${route}"} ${sum}`,
          `stepwise_request_seconds_count{route="${route}"} ${count}`,
        );
      }
      for (const [name, help] of Object.entries(COUNTERS)) {
        lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} counter`, `${name} ${counters.get(name) ?? 0}`);
      }
      lines.push(
        "# HELP stepwise_queue_length Requests running or waiting.",
        "# TYPE stepwise_queue_length gauge",
        `stepwise_queue_length ${queueLength}`,
        "# HELP stepwise_wasm_memory_bytes Memory of the ONNX runtime; it counts against the isolate's 128 MB.",
        "# TYPE stepwise_wasm_memory_bytes gauge",
        `stepwise_wasm_memory_bytes ${memoryBytes}`,
      );
      return `${lines.join("\n")}\n`;
    },
  };
}
