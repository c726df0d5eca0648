// A failure as the person sees it: what happened, and the way out. What was written stays.

import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { ApiFailure, FailureKind } from "../api/failure.ts";

const TITLES: Readonly<Record<FailureKind, string>> = {
  stopped: "Stopped",
  lost: "The worker is lost",
  key: "A key is needed",
  rate: "Too many requests",
  busy: "The worker is busy",
  unavailable: "The models cannot be used",
  refused: "The request was refused",
  too_large: "The model does not fit into this browser",
  fault: "Something failed",
};

const WAYS_OUT: Readonly<Record<FailureKind, string>> = {
  stopped: "What was written stays. Generate again, or continue from a step.",
  lost: "What was written stays. See whether the worker still runs, then try again; or continue from the last whole step.",
  key: "Enter the key at the top of the page, then try again. It stays in this page's memory.",
  rate: "Wait until the time is over, then try again.",
  busy: "Others are being served. Try again in a moment.",
  unavailable: "Whoever runs the worker has to mend this; the message says how.",
  refused: "Change what the message names, then try again.",
  too_large: "Choose the worker at the top of the page: it runs the model for you.",
  fault: "Try again. If it stays, load the page again.",
};

/** `children`: further ways out. */
export function Problem({
  failure,
  onRetry,
  children,
}: {
  failure: ApiFailure;
  onRetry?: () => void;
  children?: ComponentChildren;
}) {
  const left = useCountdown(failure);
  return (
    <div class="problem" role="alert" data-kind={failure.kind}>
      <p>
        <b>{TITLES[failure.kind]}.</b> {failure.kind === "stopped" ? "" : failure.message}
      </p>
      <p>{WAYS_OUT[failure.kind]}</p>
      <p class="row">
        {onRetry !== undefined && failure.kind !== "stopped" && (
          <button type="button" onClick={onRetry} disabled={left > 0}>
            {left > 0 ? `Try again in ${left} s` : "Try again"}
          </button>
        )}
        {children}
      </p>
    </div>
  );
}

/** Seconds until the server wants to be asked again. */
function useCountdown(failure: ApiFailure): number {
  const [left, setLeft] = useState(0);
  useEffect(() => {
    const until = Date.now() + 1000 * (failure.retryAfterS ?? 0);
    const tick = (): void => setLeft(Math.max(0, Math.ceil((until - Date.now()) / 1000)));
    tick();
    const timer = setInterval(tick, 500);
    return () => clearInterval(timer);
  }, [failure]);
  return left;
}
