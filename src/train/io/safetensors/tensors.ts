// The safetensors format (https://huggingface.co/docs/safetensors, "Format"): an 8-byte length, a JSON header, raw tensors.
// One tensor at a time in both directions, so a model is never in memory twice.

export { openModelTensors } from "../../store/model-tensors.ts";
export type { TensorInfo } from "./header.ts";
export { openSafetensors, type TensorReader } from "./reader.ts";
export { type TensorToWrite, WEIGHT_TYPES, type WeightType, writeSafetensors } from "./writer.ts";
