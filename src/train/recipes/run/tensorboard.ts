// TensorBoard event files, written without TensorFlow so that every backend has them: TFRecord frames around Event messages
// (tensorflow/core/util/event.proto and tensorflow/core/framework/summary.proto of TensorFlow 2.9; field numbers below).
// The file only grows, a record at a time in one write, so a killed run leaves at most one cut record, which readers skip.

import { closeSync, fsyncSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { appendSync } from "../../io/append-sync.ts";
import { maskedCrc32c } from "./crc32c.ts";

/** Bytes of one TFRecord: length (uint64), its masked CRC, the data, its masked CRC; little-endian. */
export function tfRecord(data: Uint8Array): Uint8Array {
  const record = new Uint8Array(12 + data.length + 4);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedCrc32c(record.subarray(0, 8)), true);
  record.set(data, 12);
  view.setUint32(12 + data.length, maskedCrc32c(data), true);
  return record;
}

const DT_STRING = 7;
const SESSION_START = 1;

function message(writer: BinaryWriter, field: number, write: (inner: BinaryWriter) => void): void {
  writer.tag(field, WireType.LengthDelimited).fork();
  write(writer);
  writer.join();
}

/** Event: wall_time 1, step 2, then one of file_version 3, summary 5, session_log 7. */
function event(step: number, write: (writer: BinaryWriter) => void): Uint8Array {
  const writer = new BinaryWriter();
  writer
    .tag(1, WireType.Bit64)
    .double(Date.now() / 1000)
    .tag(2, WireType.Varint)
    .int64(step);
  write(writer);
  return writer.finish();
}

/** Summary: repeated value 1 = { tag 1, then one of simple_value 2 or tensor 8; metadata 9 }. */
function summaryEvent(step: number, tag: string, write: (value: BinaryWriter) => void): Uint8Array {
  return event(step, (writer) =>
    message(writer, 5, (summary) =>
      message(summary, 1, (value) => {
        value.tag(1, WireType.LengthDelimited).string(tag);
        write(value);
      }),
    ),
  );
}

/** TensorProto of one string: dtype 1, tensor_shape 2 = { dim 2 = { size 1 } }, string_val 8; read by the "text" plugin. */
function writeText(value: BinaryWriter, text: string): void {
  message(value, 8, (tensor) => {
    tensor.tag(1, WireType.Varint).int32(DT_STRING);
    message(tensor, 2, (shape) => message(shape, 2, (dim) => dim.tag(1, WireType.Varint).int64(1)));
    tensor.tag(8, WireType.LengthDelimited).string(text);
  });
  message(value, 9, (metadata) =>
    message(metadata, 1, (plugin) => plugin.tag(1, WireType.LengthDelimited).string("text")),
  );
}

export interface EventFile {
  readonly path: string;
  /** One point of the curve `tag`; stored as float32. */
  scalar(tag: string, value: number, step: number): void;
  /** A text (Markdown) under `tag`. */
  text(tag: string, text: string, step: number): void;
  /** Flushes to disk; later calls throw. */
  close(): void;
}

/**
 * Opens a new event file in `dir` (made if missing); the caller closes it.
 * `firstStep`, on resume, tells TensorBoard to forget points at and after that step from the earlier files of the folder.
 */
export function openEventFile(dir: string, options: { firstStep?: number } = {}): EventFile {
  mkdirSync(dir, { recursive: true });
  const { path, fd } = createUnused(dir);
  const put = (bytes: Uint8Array): void => {
    appendSync(fd, tfRecord(bytes), path);
  };
  put(event(0, (writer) => writer.tag(3, WireType.LengthDelimited).string("brain.Event:2")));
  if (options.firstStep !== undefined) {
    put(
      event(options.firstStep, (writer) =>
        message(writer, 7, (log) => log.tag(1, WireType.Varint).int32(SESSION_START)),
      ),
    );
  }
  return {
    path,
    scalar: (tag, value, step) =>
      put(summaryEvent(step, tag, (summary) => void summary.tag(2, WireType.Bit32).float(value))),
    text: (tag, text, step) => put(summaryEvent(step, tag, (summary) => writeText(summary, text))),
    close() {
      fsyncSync(fd);
      closeSync(fd);
    },
  };
}

/** TensorBoard takes any name with "tfevents" and reads a folder's files in the order of their names, hence the time first. */
function createUnused(dir: string): { path: string; fd: number } {
  const seconds = String(Math.floor(Date.now() / 1000)).padStart(10, "0");
  for (let number = 0; ; number++) {
    const path = join(dir, `events.out.tfevents.${seconds}.stepwise.${process.pid}.${number}`);
    try {
      return { path, fd: openSync(path, "wx") };
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    }
  }
}
