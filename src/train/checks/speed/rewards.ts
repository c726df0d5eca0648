// When a training benchmark scores the steps.

/** `in-loop`: inside every training step; `once`: before the first, timed apart; `off`: every margin is 0.3. */
export const REWARDS = ["in-loop", "once", "off"] as const;
