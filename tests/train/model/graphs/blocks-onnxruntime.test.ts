import { onnxruntimeFault } from "../../../../src/train/tensorflow/graphs/onnx-session.ts";
import { testBlocks } from "./block-tests.ts";

testBlocks("onnxruntime", onnxruntimeFault() === undefined);
