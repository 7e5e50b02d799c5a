// The view of tasks: a form and a list, or one task, or two of them side by side.
import { useEffect, useState, type ReactElement } from "react";
import { call, type Schemas } from "../api/client";
import { useAsked } from "../parts/asked";
import { Chip, seconds, Trouble, when } from "../parts/parts";
import { address, go, type Route } from "../route";
import { texts } from "../texts";
import { NewTask } from "./NewTask";
import { TaskPanel } from "./TaskPanel";
import "./tasks.css";

const t = texts.tasks;
type Task = Schemas["TaskAnswer"];

export default function Tasks({ route }: { route: Route }): ReactElement {
  return route.id ? <One key={route.id} id={route.id} against={route.query.get("against")} /> : <Overview />;
}

function Overview(): ReactElement {
  const [older, setOlder] = useState<{ tasks: Task[]; cursor: string | null } | null>(null);
  const first = useAsked(() => call("get", "/v1/tasks", { query: { limit: 50 } }), "tasks", 2000);
  const page = first.value;
  const more = older ? older.cursor : page?.next_cursor;
  const tasks = page ? [...page.data, ...(older?.tasks ?? []).filter((each) => !page.data.some((known) => known.id === each.id))] : [];
  const load = async (): Promise<void> => {
    if (!more) return;
    const next = await call("get", "/v1/tasks", { query: { limit: 100, cursor: more } });
    setOlder((before) => ({ tasks: [...(before?.tasks ?? []), ...next.data], cursor: next.next_cursor }));
  };
  return (
    <div className="beside">
      <section className="aside"><h2>{t.create}</h2><NewTask created={first.again} /></section>
      <section>
        <h2>{t.title}</h2>
        <Trouble said={first.error} again={first.again} />
        {page && !tasks.length && <p className="pending">{t.none}</p>}
        {tasks.length > 0 && (
          <div className="scroll" tabIndex={0} role="region" aria-label={t.title}>
            <table className="rows lined">
              <thead>
                <tr>
                  <th scope="col">{t.columns.instance}</th><th scope="col">{t.columns.steering}</th>
                  <th scope="col">{t.columns.state}</th><th scope="col">{t.columns.outcome}</th>
                  <th scope="col">{t.columns.created}</th><th scope="col" className="right">{t.columns.took}</th>
                </tr>
              </thead>
              <tbody>{tasks.map((task) => <Row key={task.id} task={task} />)}</tbody>
            </table>
          </div>
        )}
        {more && <button type="button" onClick={() => void load()}>{t.older}</button>}
      </section>
    </div>
  );
}

function Row({ task }: { task: Task }): ReactElement {
  const took = task.started_at && task.finished_at ? (Date.parse(task.finished_at) - Date.parse(task.started_at)) / 1000 : null;
  return (
    <tr>
      <td><a className="path" href={address("tasks", task.id)}>{task.instance_id}</a></td>
      <td>{String(task.request["variant"] ?? "")}</td>
      <td><Chip kind={task.state}>{t.states[task.state]}</Chip></td>
      <td>{task.result ? t.status[task.result.status] : (task.error ?? "")}</td>
      <td>{when(task.created_at)}</td>
      <td className="right">{took === null ? "" : seconds(took)}</td>
    </tr>
  );
}

function One({ id, against }: { id: string; against: string | null }): ReactElement {
  const others = useAsked(async () => {
    const task = await call("get", "/v1/tasks/{task_id}", { path: { task_id: id } });
    const page = await call("get", "/v1/tasks", { query: { limit: 100, instance_id: task.instance_id } });
    return page.data.filter((each) => each.id !== id);
  }, id);
  useEffect(() => window.scrollTo(0, 0), [id]);
  return (
    <>
      <nav className="line above" aria-label={t.title}>
        <a href={address("tasks")}>← {t.all}</a>
        <label>
          {t.compare}{" "}
          <select
            value={against ?? ""}
            onChange={(event) => go(address("tasks", id, event.target.value ? { against: event.target.value } : {}))}
          >
            <option value="">{others.value?.length === 0 ? t.compareNone : "–"}</option>
            {others.value?.map((each) => (
              <option key={each.id} value={each.id}>{`${String(each.request["variant"])} · ${when(each.created_at)} · ${t.states[each.state]}`}</option>
            ))}
          </select>
        </label>
      </nav>
      <div className={against ? "two" : "one"}>
        <TaskPanel key={id} id={id} />
        {against && <TaskPanel key={against} id={against} />}
      </div>
    </>
  );
}
