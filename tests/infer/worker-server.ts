// A server that speaks the worker's contract over real HTTP, and can be told to fail: no model, so answers are plain rules
// (generated_text is the prompt reversed; a score is the length of the text over 100).

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "../json-answer.ts";

export interface Call {
  path: string;
  prompt: string;
  body: Record<string, unknown>;
  authorization: string | undefined;
}

/** Decides about one POST: return true when it has answered (or destroyed) the request itself. */
export type Fault = (call: Call, request: IncomingMessage, response: ServerResponse) => boolean;

export interface WorkerServer {
  url: string;
  calls: Call[];
  /** Most POSTs that were open at one time. */
  peak(): number;
  fault: Fault;
  delayMs: number;
  health: number;
  /** What /info says is served; `told` false: there is no /info. */
  models: { told: boolean; policy: string; reward: string; maxWaiting?: number };
  close(): Promise<void>;
}

export async function startWorkerServer(): Promise<WorkerServer> {
  let open = 0;
  let peak = 0;
  const server = createServer((request, response) => {
    if (request.url === "/health") {
      response.writeHead(worker.health).end("{}");
      return;
    }
    if (request.url === "/info") {
      const served = (id: string) => ({ id, dtype: "int8", files: [{ sha256: id }] });
      const [policy, reward] = [served(worker.models.policy), served(worker.models.reward)];
      if (worker.models.told)
        json(response, 200, {
          policy,
          reward,
          template_version: "t",
          judge_context: "prefix",
          max_waiting_requests: worker.models.maxWaiting,
        });
      else json(response, 404, { error: "not found" });
      return;
    }
    open += 1;
    peak = Math.max(peak, open);
    response.on("close", () => {
      open -= 1;
    });
    let text = "";
    request.setEncoding("utf8").on("data", (part: string) => {
      text += part;
    });
    request.on("end", () => {
      const body: Record<string, unknown> = JSON.parse(text);
      const prompt = String(body.inputs ?? body.prompt);
      const call = { path: request.url ?? "", prompt, body, authorization: request.headers.authorization };
      worker.calls.push(call);
      if (worker.fault(call, request, response)) return;
      setTimeout(() => json(response, 200, answer(call)), worker.delayMs);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo; // a TCP server's address is always one
  const worker: WorkerServer = {
    url: `http://127.0.0.1:${port}`,
    calls: [],
    peak: () => peak,
    fault: () => false,
    delayMs: 0,
    health: 200,
    models: { told: true, policy: "m", reward: "r" },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
  return worker;
}

function answer({ path, body }: Call): unknown {
  if (path === "/generate") return { generated_text: [...String(body.inputs)].reverse().join("") };
  const chosen = String(body.chosen).length / 100;
  const rejected = String(body.rejected).length / 100;
  return {
    chosen_score: chosen,
    rejected_score: rejected,
    margin: chosen - rejected,
    preferred: chosen >= rejected ? "chosen" : "rejected",
  };
}
