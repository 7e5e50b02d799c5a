// What the form asks for, and what the server is asked for: the first is made of texts, as they are typed.
import type { Schemas } from "../api/client";

type Body = Schemas["RunRequest-Input"];
type Intervention = Schemas["InterventionRequest"];
type Steering = Intervention | string;
export type Unit = "dose" | "relative_alpha" | "alpha";
export type AskedColumn = {
  key: number;
  name: string;
  /** "" for the baseline, "=" for a steering that is written out, "#" for a vector to be made, else a domain. */
  vector: string;
  expression: string;
  /** A steering that the form has no fields for, as it was asked for. */
  kept: Steering[] | null;
  layer: string;
  strength: string;
  unit: Unit;
  operation: string;
  positions: string;
};
export type Asked = {
  prompt: string;
  chat: boolean;
  max_tokens: string;
  temperature: string;
  top_p: string;
  top_k: string;
  min_p: string;
  seed: string;
  alternatives: string;
  columns: AskedColumn[];
};
export const MOST_COLUMNS = 6;
export const WRITTEN = "=";
export const KEPT = "*";
export const FEATURES = "#";

let keys = 0;
export function column(vector: string, taken: readonly string[] = []): AskedColumn {
  return {
    key: keys++, name: named(vector || "baseline", taken), vector, expression: "", kept: null, layer: "", strength: "1", unit: "dose",
    operation: "add", positions: "all",
  };
}

function named(wanted: string, taken: readonly string[]): string {
  for (let n = 1; ; n++) {
    const name = n === 1 ? wanted : `${wanted} ${n}`;
    if (!taken.includes(name)) return name;
  }
}

export const start = (domains: readonly string[]): Asked => {
  const first = ["bug_analysis", "code_reading"].filter((each) => domains.includes(each));
  const chosen = first.length ? first : domains.slice(0, 2);
  return {
    prompt: "How do I start my day well?", chat: true, max_tokens: "96", temperature: "0", top_p: "1", top_k: "0",
    min_p: "0", seed: "", alternatives: "3", columns: [column(""), ...chosen.map((domain) => column(domain))],
  };
};

export const body = (asked: Asked): Body => ({ ...common(asked), prompt: asked.prompt, alternatives: Number(asked.alternatives) });

/** What runs and batches have in common. */
export function common(asked: Asked): Omit<Body, "prompt" | "alternatives"> {
  return {
    chat: asked.chat,
    max_tokens: Number(asked.max_tokens),
    temperature: Number(asked.temperature),
    top_p: Number(asked.top_p),
    top_k: Number(asked.top_k),
    min_p: Number(asked.min_p),
    ...(asked.seed.trim() ? { seed: Number(asked.seed) } : {}),
    columns: asked.columns.map((each) => ({ name: each.name, ...(each.vector ? { steering: steering(each) } : {}) })),
  };
}

function steering(asked: AskedColumn): Steering | Steering[] {
  if (asked.kept) return asked.kept;
  if (asked.vector === WRITTEN) return asked.expression;
  const size = Number(asked.strength);
  return {
    domain: asked.vector,
    ...(asked.layer.trim() ? { layer: Number(asked.layer) } : {}),
    operation: asked.operation as NonNullable<Intervention["operation"]>,
    positions: asked.positions.trim() || "all",
    [asked.unit]: asked.unit === "relative_alpha" ? size / 100 : size,
  };
}

/** The form of a request that was made. */
type Made = Omit<Schemas["RunRequest-Output"], "prompt"> & { prompt?: string };
export function asked(request: Made): Asked {
  return {
    prompt: request.prompt ?? "",
    chat: request.chat ?? true,
    max_tokens: String(request.max_tokens ?? 128),
    temperature: String(request.temperature ?? 0),
    top_p: String(request.top_p ?? 1),
    top_k: String(request.top_k ?? 0),
    min_p: String(request.min_p ?? 0),
    seed: request.seed == null ? "" : String(request.seed),
    alternatives: String(request.alternatives ?? 0),
    columns: request.columns.map((each) => {
      const steered = each.steering ?? [];
      const [first] = steered;
      const made: AskedColumn = { ...column(""), name: each.name };
      if (first === undefined) return made;
      if (typeof first === "string" && steered.length === 1) return { ...made, vector: WRITTEN, expression: first };
      if (typeof first === "string" || steered.length > 1 || first.vector || first.layers || first.when) {
        return { ...made, vector: KEPT, kept: [...steered] };
      }
      const unit: Unit = first.alpha != null ? "alpha" : first.relative_alpha != null ? "relative_alpha" : "dose";
      const size = first[unit] ?? 1;
      return {
        ...made, vector: first.domain ?? "", layer: first.layer == null ? "" : String(first.layer), unit,
        strength: String(unit === "relative_alpha" ? Number((100 * size).toFixed(6)) : size),
        operation: first.operation ?? first.mode ?? "add", positions: first.positions ?? "all",
      };
    }),
  };
}
