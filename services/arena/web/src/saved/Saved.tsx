// Every run that was kept: each has its own address.
import { useState, type ReactElement } from "react";
import { call, type Schemas } from "../api/client";
import { useAsked, useDoing } from "../parts/asked";
import { Chip, Trouble, when } from "../parts/parts";
import { address } from "../route";
import { texts } from "../texts";

const t = texts.saved;
type Run = Schemas["RunSummary"];

export default function Saved(): ReactElement {
  const first = useAsked(() => call("get", "/v1/arena/runs", { query: { limit: 50 } }), "runs");
  const [older, setOlder] = useState<{ runs: Run[]; cursor: string | null } | null>(null);
  const doing = useDoing();
  const more = older ? older.cursor : first.value?.next_cursor;
  const runs = [...(first.value?.data ?? []), ...(older?.runs ?? [])];
  const remove = (id: string): void =>
    void doing.run(async () => {
      await call("delete", "/v1/arena/runs/{run_id}", { path: { run_id: id } });
      setOlder(null);
      first.again();
    });
  const load = (): void =>
    void doing.run(async () => {
      const next = await call("get", "/v1/arena/runs", { query: { limit: 100, cursor: more! } });
      setOlder({ runs: [...(older?.runs ?? []), ...next.data], cursor: next.next_cursor });
    });
  return (
    <section>
      <h2>{t.title}</h2>
      <p className="hint">{t.explained}</p>
      <Trouble said={first.error ?? doing.error} again={first.again} />
      {first.value && !runs.length && <p className="pending">{t.none}</p>}
      {runs.length > 0 && (
        <div className="scroll" tabIndex={0} role="region" aria-label={t.title}>
          <table className="rows lined">
            <thead>
              <tr>
                <th scope="col">{t.prompt}</th><th scope="col">{t.columns}</th><th scope="col">{t.state}</th>
                <th scope="col">{t.model}</th><th scope="col">{t.created}</th><th scope="col">{t.actions}</th>
              </tr>
            </thead>
            <tbody>
              {runs.map((run) => (
                <tr key={run.id}>
                  <td className="break"><a href={address("arena", run.id)}>{run.prompt}</a></td>
                  <td className="break">{run.names.join(", ")}</td>
                  <td><Chip kind={run.state === "done" ? "completed" : run.state}>{texts.arena.states[run.state]}</Chip></td>
                  <td>{run.model}</td>
                  <td>{when(run.created_at)}</td>
                  <td><button type="button" className="quiet" disabled={doing.busy || run.state === "running"} aria-label={`${t.remove} ${run.prompt.slice(0, 40)}`} onClick={() => remove(run.id)}>{t.remove}</button></td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {more && <button type="button" onClick={load}>{t.older}</button>}
    </section>
  );
}
