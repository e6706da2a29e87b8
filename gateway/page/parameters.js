// Further parameters of the request, as JSON: tools, an answer's schema, or any other.

import { Refused } from "/page/api.js";
import { byId, element } from "/page/element.js";
import { objectOf } from "/page/json.js";

const CITY = {
  type: "object",
  properties: { city: { type: "string" }, unit: { enum: ["celsius", "fahrenheit"] } },
  required: ["city", "unit"],
  additionalProperties: false,
};
const SAMPLES = {
  "a tool": {
    tools: [
      {
        type: "function",
        function: { name: "get_weather", description: "The weather in a city now", parameters: CITY },
      },
    ],
  },
  "a JSON schema": {
    response_format: { type: "json_schema", json_schema: { name: "place", strict: true, schema: CITY } },
  },
};

/** Offers samples, which are added to what is there. */
export function offerSamples() {
  for (const [name, sample] of Object.entries(SAMPLES)) {
    const button = element("button", { type: "button", class: "chip" }, name);
    button.addEventListener("click", () => {
      const all = { ...objectOf(byId("parameters").value), ...sample };
      byId("parameters").value = JSON.stringify(all, null, 2);
    });
    byId("samples").append(button);
  }
}

/** The parameters that the reader gave. */
export function parameters() {
  const text = byId("parameters").value.trim();
  const given = text ? objectOf(text) : {};
  if (!given) throw new Refused(0, "The further parameters are no JSON object.");
  return given;
}
