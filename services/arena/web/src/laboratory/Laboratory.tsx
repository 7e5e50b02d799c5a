// Finished experiments of the server's folder: what they say to the original's claims, their tables, figures and items.
import { useEffect, useState, type ReactElement } from "react";
import { call, type Schemas } from "../api/client";
import { fetched } from "../arena/saving";
import { useAsked } from "../parts/asked";
import { Chip, Trouble } from "../parts/parts";
import { address, type Route } from "../route";
import { texts } from "../texts";
import { Items } from "./Items";
import "./laboratory.css";

const t = texts.laboratory;
const KINDS = { confirmed: "helps", refuted: "harms", undecided: "undecided" } as const;

export default function Laboratory({ route }: { route: Route }): ReactElement {
  return route.id ? <One key={route.id} id={route.id} /> : <Overview />;
}

function Overview(): ReactElement {
  const { value, error, again } = useAsked(() => call("get", "/v1/arena/laboratory"), "laboratory");
  return (
    <div className="laboratory">
      <section>
        <h2>{t.runs}</h2>
        <Trouble said={error} again={again} />
        {value?.data.length === 0 && <p className="pending">{t.none}</p>}
        {!!value?.data.length && (
          <div className="scroll" tabIndex={0} role="region" aria-label={t.runs}>
            <table className="rows lined">
              <thead><tr><th scope="col">{t.experiment}</th><th scope="col">{t.folder}</th><th scope="col">{t.models}</th></tr></thead>
              <tbody>
                {value.data.map((run) => (
                  <tr key={run.id}>
                    <td>{run.error ? <span className="trouble">{run.error}</span> : <a href={address("laboratory", run.id)}>{run.title || run.experiment}</a>}</td>
                    <td className="path break">{run.folder}</td>
                    <td className="break">{run.models?.join(", ")}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </section>
      {!!value?.claims.length && <Claims claims={value.claims} />}
    </div>
  );
}

function Claims({ claims }: { claims: Schemas["ClaimRow"][] }): ReactElement {
  return (
    <section>
      <h2>{t.claims}</h2>
      <div className="scroll" tabIndex={0} role="region" aria-label={t.claims}>
        <table className="rows lined">
          <thead><tr><th scope="col">{t.says}</th><th scope="col">{t.original}</th><th scope="col">{t.verdict}</th><th scope="col">{t.measured}</th><th scope="col">{t.models}</th></tr></thead>
          <tbody>
            {claims.map((each, i) => (
              <tr key={i}>
                <td>{each.says}</td>
                <td>{each.original}</td>
                <td>{each.finding ? <Chip kind={KINDS[each.finding.verdict]}>{t.verdicts[each.finding.verdict]}</Chip> : <Chip kind="plain">{t.open}</Chip>}</td>
                <td>{each.finding && <Measured finding={each.finding} />}</td>
                <td>{each.model}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Measured({ finding: { estimate, measures } }: { finding: Schemas["Finding"] }): ReactElement {
  const shown = (value: number): string => value.toPrecision(3).replace("-", "−");
  return <>{measures}: {shown(estimate.value)} ({shown(estimate.low)} to {shown(estimate.high)}, n = {estimate.n})</>;
}

function One({ id }: { id: string }): ReactElement {
  const { value, error, again } = useAsked(() => call("get", "/v1/arena/laboratory/{run}", { path: { run: id } }), id);
  const section = value?.section;
  return (
    <div className="laboratory">
      <nav><a href={address("laboratory")}>← {t.all}</a></nav>
      <Trouble said={error} again={again} />
      {section && (
        <>
          <section>
            <h2>{section.title}</h2>
            <p className="hint">{value.folder} · {value.models?.join(", ")}</p>
            <p className="prose">{section.text}</p>
          </section>
          {value.findings.map((finding, i) => (
            <p key={i}><Chip kind={KINDS[finding.verdict]}>{t.verdicts[finding.verdict]}</Chip> <Measured finding={finding} /></p>
          ))}
          <Figure run={id} title={section.title} />
          {section.tables.map((table, i) => <Shown key={i} table={table} title={table.caption || section.title} />)}
          <section><h2>{t.items}</h2>{value.items ? <Items run={id} total={value.items} /> : <p className="pending">{t.noItems}</p>}</section>
        </>
      )}
    </div>
  );
}

function Shown({ table, title }: { table: Schemas["Table"]; title: string }): ReactElement {
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label={title}>
      <table className="rows lined">
        {table.caption && <caption>{table.caption}</caption>}
        <thead><tr>{table.header.map((each, i) => <th key={i} scope="col" className={table.figures !== false && i ? "right" : ""}>{each}</th>)}</tr></thead>
        <tbody>
          {table.rows.map((row, i) => (
            <tr key={i}>{row.map((cell, j) => (j === 0 ? <th key={j} scope="row">{cell}</th> : <td key={j} className={table.figures !== false ? "right" : ""}>{cell}</td>))}</tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** An experiment's figure, fetched with the key and shown as an image, in which no script runs. */
function Figure({ run, title }: { run: string; title: string }): ReactElement | null {
  const [source, setSource] = useState<string | null>(null);
  useEffect(() => {
    let left = false;
    const load = async (): Promise<void> => {
      for (const name of ["figure.svg", "figure.png"]) {
        const file = await fetched(`/v1/arena/laboratory/${encodeURIComponent(run)}/figures/${name}`).catch(() => null);
        if (file && !left) return void setSource(await asData(file));
      }
    };
    void load();
    return () => void (left = true);
  }, [run]);
  return source ? <img className="figure" src={source} alt={t.figure(title)} /> : null;
}

const asData = (file: Blob): Promise<string> =>
  new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.readAsDataURL(file);
  });
