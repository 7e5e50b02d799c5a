import { useState, type ReactElement } from "react";
import { call } from "../api/client";
import { Trouble } from "../parts/parts";
import { useAsked } from "../parts/asked";
import { texts } from "../texts";

const t = texts.tasks;

/** What each node read, decided and wrote, asked for when it is opened. */
export function Trajectory({ id, seen }: { id: string; seen: number }): ReactElement {
  const [open, setOpen] = useState(false);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{t.trajectoryShow}</summary>
      {open && <Nodes id={id} seen={seen} />}
    </details>
  );
}

function Nodes({ id, seen }: { id: string; seen: number }): ReactElement {
  const { value, error, again } = useAsked(
    () => call("get", "/v1/tasks/{task_id}/trajectory", { path: { task_id: id } }),
    `${id} ${seen}`,
  );
  if (error) return <Trouble said={error} again={again} />;
  if (!value) return <p className="pending">{texts.loading}</p>;
  return (
    <div className="trajectory">
      {value.nodes.map((node, i) => (
        <section key={i}>
          <h4>{String(node["name"])} {Number(node["attempt"]) > 0 && t.attempt(Number(node["attempt"]))}</h4>
          {Object.entries(node).filter(([name]) => name !== "name" && name !== "attempt").map(([name, what]) => (
            <div key={name} className="entry">
              <h5>{name}</h5>
              <pre className="code" tabIndex={0} aria-label={name}>{typeof what === "string" ? what : JSON.stringify(what, null, 1)}</pre>
            </div>
          ))}
        </section>
      ))}
    </div>
  );
}
