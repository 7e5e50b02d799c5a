// What steers one column: a vector at a layer, how strongly, how and where, or a steering written out.
import type { ReactElement } from "react";
import { Field, Trouble } from "../parts/parts";
import { texts } from "../texts";
import { KEPT, WRITTEN, type AskedColumn, type Unit } from "./asked";
import { alpha, useEntry, type Named } from "./library";

const t = texts.arena;
const OPERATIONS = ["add", "multiply", "ablate", "replace", "cap", "floor", "clamp"];
const SLIDERS: Record<Unit, { min: number; max: number; step: number }> = {
  dose: { min: -3, max: 5, step: 0.1 },
  relative_alpha: { min: -100, max: 150, step: 1 },
  alpha: { min: -60, max: 60, step: 1 },
};

type Props = { asked: AskedColumn; number: number; vectors: readonly Named[]; digest: string; change: (fields: Partial<AskedColumn>) => void; remove: (() => void) | null };

export function ColumnForm({ asked, number, vectors, digest, change, remove }: Props): ReactElement {
  const set = (name: keyof AskedColumn) => (event: { target: { value: string } }): void => change({ [name]: event.target.value });
  const named = vectors.find((each) => each.domain === asked.vector);
  const { entry, error } = useEntry(named, digest);
  const absolute = entry && alpha(entry, asked);
  const slider = SLIDERS[asked.unit];
  return (
    <fieldset className={`asked own${number % 6}`}>
      <legend className="hidden">{asked.name}</legend>
      <div className="line">
        <input className="name" aria-label={t.name} required maxLength={80} value={asked.name} onChange={set("name")} />
        {remove && <button type="button" className="quiet" aria-label={t.remove(asked.name)} title={t.remove(asked.name)} onClick={remove}>✕</button>}
      </div>
      <select
        aria-label={t.steering}
        value={asked.vector}
        onChange={(event) => {
          const vector = event.target.value;
          const own = asked.name === asked.vector || asked.name === "baseline";
          change({ vector, kept: null, ...(own && vector !== WRITTEN ? { name: vector || "baseline" } : {}) });
        }}
      >
        <option value="">{t.baseline}</option>
        {vectors.map((each) => <option key={each.domain} value={each.domain}>{each.domain}{each.source === "built-in" ? "" : ` (${each.source})`}</option>)}
        <option value={WRITTEN}>{t.written}</option>
        {asked.kept && <option value={KEPT}>{t.kept}</option>}
      </select>
      {asked.vector === WRITTEN && (
        <Field label={t.expression} hint={t.expressionHint}>
          {(id) => <input id={id} className="path" required value={asked.expression} onChange={set("expression")} />}
        </Field>
      )}
      {named && (
        <>
          <div className="strength">
            <label htmlFor={`strength-${asked.key}`}>{t.strength}</label>
            <input id={`strength-${asked.key}`} type="number" step="any" required value={asked.strength} onChange={set("strength")} />
            <select aria-label={t.unit} value={asked.unit} onChange={set("unit")}>
              {(Object.keys(t.units) as Unit[]).map((unit) => <option key={unit} value={unit}>{t.units[unit]}</option>)}
            </select>
            <div className="slide">
              <input
                type="range" aria-label={t.strength} {...slider} value={Number(asked.strength) || 0}
                onChange={set("strength")} aria-valuetext={`${asked.strength} ${t.units[asked.unit]}`}
              />
              <output>{absolute == null ? (entry || error ? "" : t.preparing) : t.absolute(absolute.toFixed(2))}</output>
            </div>
          </div>
          <details>
            <summary>{t.layer} {asked.layer || entry?.layer}, {asked.operation}, {asked.positions}</summary>
            <div className="together">
              <Field label={t.layer}>
                {(id) => <input id={id} type="number" min={0} max={entry ? entry.layers - 1 : undefined} placeholder={entry ? String(entry.layer) : ""} value={asked.layer} onChange={set("layer")} />}
              </Field>
              <Field label={t.operation}>
                {(id) => <select id={id} value={asked.operation} onChange={set("operation")}>{OPERATIONS.map((each) => <option key={each}>{each}</option>)}</select>}
              </Field>
              <Field label={t.positions} hint={t.positionsHint}>{(id) => <input id={id} value={asked.positions} onChange={set("positions")} />}</Field>
            </div>
          </details>
          <Trouble said={error} />
        </>
      )}
    </fieldset>
  );
}
