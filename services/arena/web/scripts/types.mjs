// Writes src/api/schema.d.ts: the types of the API's routes, from the description that the server gives of them.
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import openapi, { astToString } from "openapi-typescript";

const root = fileURLToPath(new URL("../../../../", import.meta.url));
const dump = "import json; from services.app import routed; print(json.dumps(routed().openapi()))";
const said = execFileSync(process.env.PYTHON ?? "python3", ["-c", dump], {
  cwd: root,
  encoding: "utf-8",
  maxBuffer: 1 << 26,
});

/** Without what JSON Schema can say of a request and a type cannot: "fields of other names may be null", and
 * which fields go together. The server says that in words where somebody does otherwise. */
function typed(schema) {
  if (Array.isArray(schema)) return schema.map(typed);
  if (schema === null || typeof schema !== "object") return schema;
  const kept = Object.entries(schema).filter(
    ([name, value]) =>
      !(name === "additionalProperties" && value?.type === "null") && !(name === "oneOf" && schema.properties),
  );
  return Object.fromEntries(kept.map(([name, value]) => [name, typed(value)]));
}

const description = typed(JSON.parse(said.slice(said.indexOf("{"))));
const tree = await openapi(description, { defaultNonNullable: false });
writeFileSync(new URL("../src/api/schema.d.ts", import.meta.url), astToString(tree));
