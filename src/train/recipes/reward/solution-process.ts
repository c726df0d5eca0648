// The second process of a reward model's training: gradients of its part of each batch.

import { answerGradientRequests } from "../../optim/remote-gradients.ts";
import type { SolutionWork } from "./share-solutions.ts";
import type { SolutionFigures } from "./solution-figures.ts";
import { solutionGradients } from "./solution-loss.ts";

answerGradientRequests<SolutionWork, SolutionFigures>((p, config, { microBatches, options }) =>
  solutionGradients(p, config, microBatches, options),
);
