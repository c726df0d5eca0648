// How at random a text is drawn, and from which seed: fields of every view that writes.

import { NumberField } from "./fields.tsx";

interface Sampling {
  temperature: number;
  seed: number;
}

interface SamplingFieldsProps {
  value: Sampling;
  /** Lowest temperature; default 0, which is greedy. */
  min?: number;
  onChange: (part: Partial<Sampling>) => void;
}

export function SamplingFields({ value: { temperature, seed }, min = 0, onChange }: SamplingFieldsProps) {
  return (
    <>
      <NumberField
        label={min === 0 ? "Temperature (0 is greedy)" : "Temperature"}
        value={temperature}
        min={min}
        max={5}
        step={0.1}
        onChange={(value) => onChange({ temperature: value })}
      />
      <NumberField
        label="Seed"
        value={seed}
        min={0}
        max={4294967295}
        step={1}
        onChange={(value) => onChange({ seed: value })}
      />
    </>
  );
}
