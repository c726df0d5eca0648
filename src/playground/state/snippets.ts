// The request of the view as code for other places. Where a key is needed, the code names the variable STEPWISE_API_KEY: the key itself is
// never part of what is copied.

export interface Snippet {
  name: string;
  language: "sh" | "ts";
  code: string;
}

interface Asked {
  inputs: string;
  parameters: Record<string, unknown>;
}

/** Code that asks the same of the server at `base` (without a slash at its end). */
export function snippetsOf(base: string, body: Asked, needsKey: boolean): Snippet[] {
  const { inputs, parameters } = body;
  const json = JSON.stringify({ inputs, parameters }, undefined, 2);
  const quoted = json.replaceAll("'", `'\\''`);
  const curlKey = needsKey ? ` \\\n  -H "authorization: Bearer $STEPWISE_API_KEY"` : "";
  // biome-ignore lint/suspicious/noTemplateCurlyInString: code that is copied
  const fetchKey = needsKey ? ", authorization: `Bearer ${process.env.STEPWISE_API_KEY}`" : "";
  const clientKey = needsKey ? "process.env.STEPWISE_API_KEY" : '"none"';
  const { max_new_tokens: maxTokens, temperature = 0, seed } = parameters;
  const openai = { model: "tgi", max_completion_tokens: maxTokens, temperature, ...(seed !== undefined && { seed }) };
  // OpenAI's temperature is 1 where none is named, and this client asks OpenAI's paths
  const sampled = { max_new_tokens: maxTokens, temperature, ...(seed !== undefined && { seed }) };
  const indent = (value: unknown, by: number): string =>
    JSON.stringify(value, undefined, 2).replaceAll("\n", `\n${" ".repeat(by)}`);
  return [
    {
      name: "curl",
      language: "sh",
      code: `curl ${base}/generate -H 'content-type: application/json'${curlKey} -d '${quoted}'`,
    },
    {
      name: "fetch",
      language: "ts",
      code: `const response = await fetch("${base}/generate", {
  method: "POST",
  headers: { "content-type": "application/json"${fetchKey} },
  body: JSON.stringify(${indent({ inputs, parameters }, 2)}),
});
console.log(await response.json());`,
    },
    {
      name: "openai",
      language: "ts",
      code: `import OpenAI from "openai";

const openai = new OpenAI({ baseURL: "${base}/v1", apiKey: ${clientKey} });
const answer = await openai.chat.completions.create(${indent({ ...openai, messages: [{ role: "user", content: inputs }] }, 0)});
console.log(answer.choices[0].message.content);`,
    },
    {
      name: "@huggingface/inference",
      language: "ts",
      code: `import { InferenceClient } from "@huggingface/inference";

const client = new InferenceClient(${clientKey}, { endpointUrl: "${base}" });
const answer = await client.textGeneration(${indent({ inputs, parameters: sampled }, 0)});
console.log(answer.generated_text);`,
    },
  ];
}
