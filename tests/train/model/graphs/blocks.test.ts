import { nativeIsInstalled } from "../../../../src/train/tensorflow/tensorflow.ts";
import { testBlocks } from "./block-tests.ts";

testBlocks("tensorflow", nativeIsInstalled());
