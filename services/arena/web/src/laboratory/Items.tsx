// What an experiment asked and was answered: one item at a time, each condition beside the others.
import { useState, type ReactElement } from "react";
import { call, type Schemas } from "../api/client";
import { useAsked } from "../parts/asked";
import { Chip, Trouble } from "../parts/parts";
import { texts } from "../texts";

const t = texts.laboratory;

export function Items({ run, total }: { run: string; total: number }): ReactElement {
  const [at, setAt] = useState(0);
  const { value, error, again } = useAsked(
    () => call("get", "/v1/arena/laboratory/{run}/items", { path: { run }, query: { offset: at, limit: 1 } }),
    `${run} ${at}`,
  );
  const item = value?.data[0];
  const go = (to: number): void => setAt(Math.min(Math.max(to, 0), total - 1));
  return (
    <div className="items">
      <div className="line">
        <button type="button" disabled={at === 0} onClick={() => go(at - 1)}>{t.previous}</button>
        <input type="number" aria-label={t.items} min={1} max={total} value={at + 1} onChange={(event) => go(Number(event.target.value) - 1)} />
        <button type="button" disabled={at === total - 1} onClick={() => go(at + 1)}>{t.next}</button>
        <span>{t.item(at + 1, total)}</span>
      </div>
      <Trouble said={error} again={again} />
      {item && <Shown item={item} />}
    </div>
  );
}

function Shown({ item }: { item: Schemas["Item"] }): ReactElement {
  const options = [...new Set(item.said.flatMap((said) => Object.keys(said.nats)))];
  return (
    <article>
      <h3>{item.name} <span className="hint">{item.group}</span></h3>
      <pre className="code" tabIndex={0}>{item.question}</pre>
      <p>{t.expected}: <b className="path">{item.expected}</b></p>
      {options.length > 0 && (
        <div className="scroll" tabIndex={0} role="region" aria-label={t.nats}>
          <table className="rows lined">
            <caption>{t.nats}</caption>
            <thead><tr><th scope="col">{t.condition}</th>{options.map((each) => <th key={each} scope="col" className="right">{each}</th>)}</tr></thead>
            <tbody>
              {item.said.map((said) => {
                const best = Math.max(...Object.values(said.nats));
                return (
                  <tr key={said.condition}>
                    <th scope="row">{said.condition}</th>
                    {options.map((each) => {
                      const nats = said.nats[each];
                      return <td key={each} className={`right${nats === best ? " best" : ""}`}>{nats?.toFixed(2).replace("-", "−")}</td>;
                    })}
                  </tr>
                );
              })}
            </tbody>
          </table>
        </div>
      )}
      <div className="conditions">
        {item.said.map((said) => (
          <section key={said.condition}>
            <h4>{said.condition} {said.right !== null && <Chip kind={said.right ? "good" : "failed"}>{said.right ? t.right : t.wrong}</Chip>}</h4>
            {said.text && <pre className="code" tabIndex={0}>{said.text}</pre>}
          </section>
        ))}
      </div>
    </article>
  );
}
