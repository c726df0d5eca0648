// A child for tests: does what it is asked, also badly.

import { InputError } from "../../../src/shared/errors.ts";
import { answerRequests } from "../../../src/train/io/child-process.ts";

export type Asked = { add: number[] } | { refuse: string } | { fault: string } | { exit: number } | { wait: number };

answerRequests<Asked, Float64Array>(async (request) => {
  if ("add" in request)
    return Float64Array.of(
      process.pid,
      request.add.reduce((sum, value) => sum + value, 0),
    );
  if ("refuse" in request)
    throw new InputError({ code: "refused", what: request.refuse, where: "line 3", fix: "Mend it." });
  if ("fault" in request) throw new TypeError(request.fault);
  if ("exit" in request) process.exit(request.exit);
  await new Promise((resolve) => setTimeout(resolve, request.wait));
  return Float64Array.of();
});
