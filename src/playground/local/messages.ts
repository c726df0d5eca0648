// What the page and the thread that runs the model tell each other.

import type { ModelIndex } from "../../edge/routes/models.ts";
import type { Progress } from "./model-files.ts";

/** What the model runs on in this browser. */
export type Device = "processor" | "gpu";

export interface OpenMessage {
  type: "open";
  device: Device;
  /** Where the model folders lie. */
  base: string;
  /** Where the page's own files lie. */
  files: string;
  headers: Record<string, string>;
  index: ModelIndex;
  threads: number;
}

export interface RequestMessage {
  type: "request";
  id: number;
  path: string;
  method: string;
  body: string | undefined;
}

/** To the thread. */
export type Asked = OpenMessage | RequestMessage | { type: "abort"; id: number };

/** From the thread: of the opening, or of one request. */
export type Told =
  | { type: "progress"; progress: Progress }
  /** `instead`: why it runs on the processor, where the GPU was asked for. */
  | { type: "opened"; ms: number; instead?: string | undefined }
  | { type: "failed"; code: string; message: string }
  | { type: "head"; id: number; status: number; headers: [string, string][] }
  | { type: "chunk"; id: number; bytes: Uint8Array<ArrayBuffer> }
  | { type: "end"; id: number }
  | { type: "broken"; id: number; message: string };
