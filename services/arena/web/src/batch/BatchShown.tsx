// One batch: what each column changes over its prompts, and every answer beside the baseline's.
import { useState, type ReactElement } from "react";
import { call, type Schemas } from "../api/client";
import { save } from "../arena/saving";
import { percent } from "../arena/TokenDetail";
import { useDoing } from "../parts/asked";
import { Chip, LinkState, Trouble } from "../parts/parts";
import { address } from "../route";
import { texts } from "../texts";
import { useBatch } from "./useBatch";

const t = texts.batch;
type Answer = Schemas["BatchAnswer"];
type Cell = Schemas["Cell"];

export function BatchShown({ id }: { id: string }): ReactElement {
  const { answer, link, why, failure, error, again } = useBatch(id);
  const doing = useDoing();
  if (!answer) return error ? <Trouble said={error} again={again} /> : <p className="pending">{texts.loading}</p>;
  const running = answer.state === "running" && link !== "gone" && !failure;
  const act = (what: "stop" | "resume"): void =>
    void doing.run(async () => {
      const path = { path: { batch_id: id } };
      await (what === "stop" ? call("delete", "/v1/arena/batches/{batch_id}", path) : call("post", "/v1/arena/batches/{batch_id}/resume", path));
      again();
    });
  const file = (ending: string): void => void doing.run(() => save(`/v1/arena/batches/${id}.${ending}`, `${id}.${ending}`));
  return (
    <div className="arena">
      <nav className="line"><a href={address("batch")}>← {t.all}</a></nav>
      <h2 className="hidden">{t.title}</h2>
      <div className="line bar">
        <Chip kind={answer.state === "done" ? "completed" : answer.state}>{texts.arena.states[answer.state]}</Chip>
        <span>{t.done(answer.cells.length, answer.texts.length * answer.names.length)}</span>
        {running && <LinkState link={link} why={why} again={again} />}
        <span className="push" />
        {running && <button type="button" disabled={doing.busy} onClick={() => act("stop")}>{t.stop}</button>}
        {!running && answer.state !== "done" && <button type="button" className="first" disabled={doing.busy} onClick={() => act("resume")}>{t.resume}</button>}
        <button type="button" onClick={() => file("csv")}>{t.csv}</button>
        <button type="button" onClick={() => file("json")}>{t.json}</button>
        {navigator.clipboard && <button type="button" onClick={() => void navigator.clipboard.writeText(window.location.href)}>{t.link}</button>}
      </div>
      <Trouble said={error ?? doing.error ?? failure} />
      <Methods methods={answer.methods} />
      <Matrix answer={answer} />
    </div>
  );
}

function Methods({ methods }: { methods: Answer["methods"] }): ReactElement {
  const bits = (value: number): string => value.toFixed(3);
  const cell = (found: Schemas["Measured"] | null, form: (value: number) => string): ReactElement => (
    <td>
      {found ? (
        <>
          <b>{form(found.value)}</b>{" "}
          {found.low !== null && found.high !== null && <span className="hint">{t.interval(form(found.low), form(found.high), found.n)}</span>}
        </>
      ) : "–"}
    </td>
  );
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label={t.method}>
      <table className="rows lined methods">
        <thead><tr><th scope="col">{t.method}</th><th scope="col">{t.change}</th><th scope="col">{t.kl}</th><th scope="col">{t.jaccard}</th></tr></thead>
        <tbody>
          {methods.map((each) => (
            <tr key={each.name}>
              <th scope="row">{each.name}</th>
              {cell(each.change_rate, percent)}{cell(each.divergence, bits)}{cell(each.jaccard, percent)}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Matrix({ answer }: { answer: Answer }): ReactElement {
  const [open, setOpen] = useState<number | null>(null);
  const cells = new Map(answer.cells.map((each) => [`${each.prompt} ${each.column}`, each]));
  const most = Math.max(0.5, ...answer.cells.map((each) => each.divergence ?? 0));
  return (
    <div className="scroll matrix" tabIndex={0} role="region" aria-label={t.matrix}>
      <table>
        <thead><tr><th scope="col">{t.prompt}</th>{answer.names.map((name, i) => <th key={name} scope="col" className={`own${i % 6}`}>{name}</th>)}</tr></thead>
        <tbody>
          {answer.texts.map((text, row) => (
            <tr key={row} className={open === row ? "open" : ""}>
              <th scope="row">
                <button type="button" className="quiet" aria-expanded={open === row} onClick={() => setOpen(open === row ? null : row)}>{text}</button>
              </th>
              {answer.names.map((name, column) => <Shown key={name} cell={cells.get(`${row} ${column}`)} most={most} whole={open === row} />)}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Shown({ cell, most, whole }: { cell: Cell | undefined; most: number; whole: boolean }): ReactElement {
  if (!cell) return <td className="hint">{t.waiting}</td>;
  const level = cell.divergence == null ? 0 : Math.min(5, Math.ceil((5 * cell.divergence) / most));
  return (
    <td className={`h${level}`}>
      {cell.error ? <span className="trouble">{cell.error}</span> : (
        <>
          {cell.same !== null && (
            <span className="hint">
              {cell.same ? t.same : t.differs(cell.first_difference)} · {(cell.divergence ?? 0).toFixed(2)} {texts.arena.bits}
            </span>
          )}
          <span className={whole ? "whole" : "cut"}>{cell.text}</span>
        </>
      )}
    </td>
  );
}
