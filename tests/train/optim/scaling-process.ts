// A child for tests of remote gradients: the gradient of a parameter is the parameter times what is asked; it fails where it is told to.

import { InputError } from "../../../src/shared/errors.ts";
import { answerGradientRequests } from "../../../src/train/optim/remote-gradients.ts";
import { tf } from "../../../src/train/tensorflow/tensorflow.ts";

export type Work = { times: number } | { refuse: string } | { die: true };

answerGradientRequests<Work, number>((p, _config, work) => {
  if ("refuse" in work) throw new InputError({ code: "refused", what: work.refuse });
  if ("die" in work) process.kill(process.pid, "SIGKILL");
  const times = "times" in work ? work.times : Number.NaN;
  const gradients = Object.fromEntries(Object.entries(p).map(([name, value]) => [name, tf.mul(value, times)]));
  return { figures: tf.memory().numTensors, gradients };
});
