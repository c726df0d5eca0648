// How step scores make one: chosen for the whole page, computed here, so that nothing is asked again.

import { AGGREGATIONS } from "../../shared/aggregate.ts";
import { aggregation } from "../state/session.ts";

export function AggregatePicker() {
  return (
    <label class="inline">
      Aggregate
      <select
        value={aggregation.value}
        onChange={(event) => {
          const chosen = AGGREGATIONS.find((each) => each === event.currentTarget.value);
          if (chosen !== undefined) aggregation.value = chosen;
        }}
      >
        {AGGREGATIONS.map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}
