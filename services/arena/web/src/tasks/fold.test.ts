import { expect, test } from "vitest";
import { fold, NOTHING, type TaskEvent } from "./fold";
import { happened, timeline } from "./replay";

const told = [
  { kind: "queued" },
  { kind: "node_started", node: "patch_writing", attempt: 0 },
  { kind: "tokens", node: "patch_writing", count: 2, text: "a <b>" },
  { kind: "tokens", node: "patch_writing", count: 3, text: "c" },
  { kind: "node_finished", node: "patch_writing", seconds: 2, new_tokens: 3, prompt_tokens: 9 },
  { kind: "candidate", number: 0, verdict: "does not parse", path: "a.py" },
  { kind: "node_started", node: "patch_writing", attempt: 1 },
  { kind: "tokens", node: "patch_writing", count: 1, text: "d" },
  { kind: "cancelled" },
].map((event, i) => ({ ...event, seq: i + 1, at: 100 + i })) as TaskEvent[];

test("a node that is tried again has two runs, each with its own text", () => {
  const now = fold(told);
  expect(now.nodes.map((node) => [node.attempt, node.text, node.state])).toEqual([[0, "a <b>c", "done"], [1, "d", "stopped"]]);
  expect(now.ending?.kind).toBe("cancelled");
  expect(now.candidates).toHaveLength(1);
});

test("events that come in two parts make what all of them make at once", () => {
  for (let cut = 0; cut <= told.length; cut++) expect(fold(told.slice(cut), fold(told.slice(0, cut)))).toEqual(fold(told));
});

test("a kind that this page does not know changes nothing but the number", () => {
  expect(fold([{ kind: "newer", seq: 7, at: 1 } as unknown as TaskEvent])).toEqual({ ...NOTHING, last: 7 });
});

test("a replay keeps the pauses, but no long one", () => {
  const times = timeline([{ at: 10 }, { at: 11 }, { at: 9_000 }] as TaskEvent[]);
  expect(times).toEqual([0, 1, 6]);
  expect([happened(times, -1), happened(times, 0), happened(times, 5.9), happened(times, 6)]).toEqual([0, 1, 2, 3]);
});
