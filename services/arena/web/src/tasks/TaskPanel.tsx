// One task: what it does while it runs, and its replay when it is over.
import { useMemo, useState, type ReactElement } from "react";
import { call, type Schemas } from "../api/client";
import { useAsked, useDoing } from "../parts/asked";
import { Chip, LinkState, Trouble, when } from "../parts/parts";
import { texts } from "../texts";
import { Candidates, Node, Outcome, Retrieved } from "./Details";
import { fold } from "./fold";
import { Graph } from "./Graph";
import { Replay } from "./Replay";
import { Trajectory } from "./Trajectory";
import { useTask } from "./useTask";

const t = texts.tasks;
const FINAL = new Set<Schemas["TaskAnswer"]["state"]>(["completed", "failed", "cancelled"]);

export function TaskPanel({ id }: { id: string }): ReactElement {
  const [turn, setTurn] = useState(0);
  const { told: newest, events, link, why, again } = useTask(id, turn);
  const [place, setPlace] = useState<number | null>(null);
  const [chosen, setChosen] = useState<string | null>(null);
  const doing = useDoing();
  // Asked for again when it begins, ends, and is changed here.
  const stage = `${newest.nodes.length > 0} ${newest.ending?.kind}`;
  const { value: task, error, again: reload } = useAsked(
    () => call("get", "/v1/tasks/{task_id}", { path: { task_id: id } }),
    `${id} ${turn}`,
    FINAL.has((newest.ending?.kind ?? "running") as "completed") ? undefined : 3000,
  );
  const told = useMemo(
    () => (place === null ? newest : fold(events.slice(0, place))),
    [place, newest, events, stage],
  );
  const shown = chosen ?? (told.nodes.find((node) => node.state === "running") ?? told.nodes.findLast((node) => node.text) ?? told.nodes.at(-1))?.name ?? null;
  const state = newest.ending?.kind ?? task?.state;

  const act = (what: "cancel" | "resume"): void => {
    const params = { path: { task_id: id } };
    void doing.run(async () => {
      await (what === "cancel" ? call("delete", "/v1/tasks/{task_id}", params) : call("post", "/v1/tasks/{task_id}/resume", params));
      setPlace(null);
      setTurn((before) => before + 1);
      reload();
    });
  };

  if (error && !task) return <Trouble said={error} again={reload} />;
  return (
    <article className="task">
      <header>
        <h2 className="path">{task?.instance_id ?? id}</h2>
        <div className="line">
          {state && <Chip kind={state}>{t.states[state]}</Chip>}
          {task && <span>{String(task.request["variant"] ?? "")} · {task.model} · {when(task.created_at)}</span>}
          <LinkState link={link} why={why} again={again} />
          {state && !FINAL.has(state) && (
            <button type="button" onClick={() => act("cancel")} disabled={doing.busy || task?.cancel_requested}>
              {task?.cancel_requested ? t.cancelling : t.cancel}
            </button>
          )}
          {(state === "failed" || state === "cancelled") && (
            <button type="button" onClick={() => act("resume")} disabled={doing.busy}>{t.resume}</button>
          )}
        </div>
        <Trouble said={doing.error ?? (newest.ending?.kind === "failed" ? newest.ending.reason : null)} />
        {told.notes.length > 0 && <p className="notes">{told.notes.map((note) => t[note.kind](note.text)).join(" ")}</p>}
      </header>
      <Graph nodes={told.nodes} chosen={shown} choose={setChosen} />
      {told.progress && (
        <p className="progress">
          <progress max={told.progress.total || 1} value={told.progress.done} aria-label={told.progress.label} /> {told.progress.label}
        </p>
      )}
      {state && FINAL.has(state) && <Replay events={events} place={place} setPlace={setPlace} />}
      <div className="panes">
        <section className="wide">
          <h3>{shown ? (t.nodes[shown] ?? shown) : t.text}</h3>
          <Node runs={told.nodes.filter((node) => node.name === shown)} />
        </section>
        <section><h3>{t.retrieved}</h3><Retrieved told={told} /></section>
        <section><h3>{t.candidates}</h3><Candidates told={told} /></section>
        <section className="wide"><h3>{t.patch}</h3><Outcome told={told} /></section>
      </div>
      <Trajectory id={id} seen={newest.nodes.filter((node) => node.state === "done").length} />
    </article>
  );
}
