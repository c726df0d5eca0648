// The second process of pretraining: gradients of the judge's batch.

import { answerGradientRequests } from "../../optim/remote-gradients.ts";
import { type PretrainFigures, pretrainGradients, type TaskBatches } from "./losses.ts";

answerGradientRequests<TaskBatches, PretrainFigures>(pretrainGradients);
