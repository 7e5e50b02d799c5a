// The task's graph: five nodes, the retry edge, and what each of them does now.
import type { ReactElement } from "react";
import { texts } from "../texts";
import { seconds } from "../parts/parts";
import type { NodeRun } from "./fold";

export const NODES = ["code_reading", "retrieve", "bug_analysis", "patch_writing", "validate"] as const;
const t = texts.tasks;

type Props = { nodes: readonly NodeRun[]; chosen: string | null; choose: (name: string) => void };

export function Graph({ nodes, chosen, choose }: Props): ReactElement {
  const running = nodes.find((node) => node.state === "running")?.name ?? null;
  const others = [...new Set(nodes.map((node) => node.name))].filter((name) => !NODES.some((each) => each === name));
  const attempts = nodes.filter((node) => node.name === "patch_writing").length;
  return (
    <div className="graph" role="group" aria-label={t.graphLabel(running && (t.nodes[running] ?? running))}>
      <ol>
        {[...NODES, ...others].map((name) => {
          const runs = nodes.filter((node) => node.name === name);
          const last = runs.at(-1);
          const state = last?.state ?? "waiting";
          return (
            <li key={name}>
              <button
                type="button"
                className={`node ${state}`}
                aria-pressed={chosen === name}
                aria-current={state === "running" ? "step" : undefined}
                onClick={() => choose(name)}
              >
                <span className="name">{t.nodes[name] ?? name}</span>
                <span className="state">
                  {last?.seconds != null ? seconds(runs.reduce((sum, run) => sum + (run.seconds ?? 0), 0)) : t.nodeStates[state]}
                  {runs.length > 1 ? ` · ${runs.length}×` : ""}
                </span>
                {last?.decision && (
                  <span className={last.decision.applied ? "steering on" : "steering"}>
                    {last.decision.applied ? `${last.decision.vector ?? t.steered}` : t.notSteered}
                  </span>
                )}
              </button>
            </li>
          );
        })}
      </ol>
      <p className={attempts > 1 ? "retry taken" : "retry"}>
        <span aria-hidden="true">↩ </span>{t.retry}: {t.nodes.validate} → {t.nodes.patch_writing}
        {attempts > 1 ? ` (${attempts - 1}×)` : ""}
      </p>
    </div>
  );
}
