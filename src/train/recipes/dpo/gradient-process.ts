// A further process of a DPO run: gradients of its part of each step.

import { answerGradientRequests } from "../../optim/remote-gradients.ts";
import type { PairFigures } from "./figures.ts";
import { type PairWork, pairGradients } from "./share-pairs.ts";

answerGradientRequests<PairWork, PairFigures>(pairGradients);
