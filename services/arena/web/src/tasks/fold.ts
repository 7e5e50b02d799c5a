// What a task looks like after some of its events: one function, for a task that runs and for one that is replayed.
import type { Schemas } from "../api/client";

export type TaskEvent = Schemas["TaskEvent"] & { seq: number; at: number };
export type NodeRun = {
  name: string;
  attempt: number;
  state: "running" | "done" | "stopped";
  at: number;
  seconds: number | null;
  promptTokens: number;
  newTokens: number;
  text: string;
  decision: Schemas["SteeringRecord"] | null;
};
export type Ending = { kind: "completed" | "failed" | "cancelled"; reason: string; patch: string; files: string[] };
export type Told = {
  nodes: NodeRun[];
  hits: Schemas["Hit"][];
  definitions: Schemas["FoundDefinition"][];
  candidates: Schemas["CandidateChecked"][];
  tests: Schemas["TestsFound"] | null;
  progress: { label: string; done: number; total: number } | null;
  notes: { kind: "resumed" | "interrupted"; text: string }[];
  ending: Ending | null;
  last: number;
};

export const NOTHING: Told = {
  nodes: [], hits: [], definitions: [], candidates: [], tests: null, progress: null, notes: [], ending: null, last: 0,
};
const ENDS = new Set(["result", "failed", "cancelled"]);
export const endsTask = (kind: string): boolean => ENDS.has(kind);

export const fold = (events: readonly TaskEvent[], from: Told = NOTHING): Told => events.reduce(after, from);

function after(told: Told, event: TaskEvent): Told {
  const next: Told = { ...told, last: event.seq };
  switch (event.kind) {
    case "queued":
      return { ...next, ending: null };
    case "node_started":
      return {
        ...next,
        nodes: [
          ...stopped(told.nodes),
          {
            name: event.node, attempt: event.attempt, state: "running", at: event.at, seconds: null,
            promptTokens: 0, newTokens: 0, text: "", decision: null,
          },
        ],
      };
    case "decision":
      return { ...next, nodes: changed(told.nodes, event.node, (node) => ({ ...node, decision: event.steering })) };
    case "tokens":
      return {
        ...next,
        nodes: changed(told.nodes, event.node, (node) => ({ ...node, newTokens: event.count, text: node.text + event.text })),
      };
    case "node_finished":
      return {
        ...next,
        progress: null,
        nodes: changed(told.nodes, event.node, (node) => ({
          ...node, state: "done", seconds: event.seconds, promptTokens: event.prompt_tokens,
          newTokens: event.new_tokens || node.newTokens,
        })),
      };
    case "progress":
      return { ...next, progress: { label: event.label, done: event.done, total: event.total } };
    case "retrieved":
      return { ...next, hits: event.hits, definitions: event.definitions };
    case "candidate":
      return { ...next, candidates: [...told.candidates, event] };
    case "tests_found":
      return { ...next, tests: event };
    case "resumed":
      return { ...next, notes: [...told.notes, { kind: event.kind, text: event.nodes.join(", ") }] };
    case "interrupted":
      return { ...next, nodes: stopped(told.nodes), notes: [...told.notes, { kind: event.kind, text: event.reason }] };
    case "result":
      return ended(next, { kind: "completed", reason: event.reason, patch: event.patch, files: event.files });
    case "failed":
      return ended(next, { kind: "failed", reason: event.error, patch: "", files: [] });
    case "cancelled":
      return ended(next, { kind: "cancelled", reason: "", patch: "", files: [] });
    default:
      return next; // a kind that a newer server tells
  }
}

const ended = (told: Told, ending: Ending): Told => ({ ...told, nodes: stopped(told.nodes), progress: null, ending });

const stopped = (nodes: NodeRun[]): NodeRun[] =>
  nodes.map((node) => (node.state === "running" ? { ...node, state: "stopped" } : node));

/** The newest run of a node, changed: a node that is tried again has several. */
function changed(nodes: NodeRun[], name: string, change: (node: NodeRun) => NodeRun): NodeRun[] {
  const at = nodes.findLastIndex((node) => node.name === name);
  return at < 0 ? nodes : nodes.with(at, change(nodes[at]!));
}
