// What steers one column: a vector at a layer, how strongly, how and where, or a steering written out.
import type { ReactElement } from "react";
import { Chip, Field, Trouble } from "../parts/parts";
import { texts } from "../texts";
import { FEATURES, KEPT, WRITTEN, type AskedColumn, type Unit } from "./asked";
import { Badges } from "./Badges";
import { FeaturesForm } from "./FeaturesForm";
import { alpha, strength, useDose, type Library } from "./library";

const t = texts.arena;
const OPERATIONS = ["add", "multiply", "ablate", "replace", "cap", "floor", "clamp"];
const SLIDERS: Record<Unit, { min: number; max: number; step: number }> = {
  dose: { min: -3, max: 5, step: 0.1 },
  relative_alpha: { min: -100, max: 150, step: 1 },
  alpha: { min: -60, max: 60, step: 1 },
};

type Props = { asked: AskedColumn; number: number; library: Library; change: (fields: Partial<AskedColumn>) => void; remove: (() => void) | null };

export function ColumnForm({ asked, number, library, change, remove }: Props): ReactElement {
  const set = (name: keyof AskedColumn) => (event: { target: { value: string } }): void => change({ [name]: event.target.value });
  const named = library.names.find((each) => each.domain === asked.vector);
  const steerBy = (vector: string): void => {
    const own = asked.name === asked.vector || asked.name === "baseline";
    const name = vector === WRITTEN || vector === FEATURES ? {} : { name: vector || "baseline" };
    change({ vector, kept: null, ...(own || asked.vector === FEATURES ? name : {}) });
  };
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
        ref={(select) => select?.setCustomValidity(asked.vector === FEATURES ? t.features.first : "")}
        onChange={(event) => steerBy(event.target.value)}
      >
        <option value="">{t.baseline}</option>
        {library.names.map((each) => <option key={each.domain} value={each.domain}>{each.domain}{each.source === "built-in" ? "" : ` (${each.source})`}</option>)}
        <option value={WRITTEN}>{t.written}</option>
        {!!library.known?.saes.length && <option value={FEATURES}>{t.ofFeatures}</option>}
        {asked.kept && <option value={KEPT}>{t.kept}</option>}
      </select>
      {asked.vector === WRITTEN && (
        <Field label={t.expression} hint={t.expressionHint}>
          {(id) => <input id={id} className="path" required value={asked.expression} onChange={set("expression")} />}
        </Field>
      )}
      {asked.vector === FEATURES && <FeaturesForm library={library} made={steerBy} />}
      {named && <Steering asked={asked} library={library} change={change} />}
    </fieldset>
  );
}

function Steering({ asked, library, change }: Pick<Props, "asked" | "library" | "change">): ReactElement {
  const set = (name: keyof AskedColumn) => (event: { target: { value: string } }): void => change({ [name]: event.target.value });
  const { dose, error } = useDose(asked.vector, asked, library.digest);
  const absolute = alpha(dose, asked);
  const known = library.known?.vectors.find((each) => each.domain === asked.vector);
  const layer = dose?.layer ?? known?.default_layer;
  const mark = asked.operation === "add" ? known?.marks.find((each) => each.layer === layer) : undefined;
  const marks = [mark?.changes_from, mark?.degenerates_from].flatMap((each) => (each != null && dose ? [strength(dose, each, asked.unit)] : []));
  const degenerates = mark?.degenerates_from != null && absolute !== null && Math.abs(absolute) >= mark.degenerates_from;
  const trained = library.known?.saes ?? [];
  const elsewhere = trained.length > 0 && layer !== undefined && !trained.some((each) => each.layer === layer);
  const somewhere = (known?.norms ?? []).flatMap((norm, at) => (norm > 0 ? [at] : []));
  const nothing = known !== undefined && layer !== undefined && known.norms[layer] === 0;
  const id = `strength-${asked.key}`;
  return (
    <>
      <div className="strength">
        <label htmlFor={id}>{t.strength}</label>
        <input id={id} type="number" step="any" required value={asked.strength} onChange={set("strength")} />
        <select aria-label={t.unit} value={asked.unit} onChange={set("unit")}>
          {(Object.keys(t.units) as Unit[]).map((unit) => <option key={unit} value={unit}>{t.units[unit]}</option>)}
        </select>
        <div className="slide">
          <input
            type="range" aria-label={t.strength} {...SLIDERS[asked.unit]} value={Number(asked.strength) || 0} list={`${id}-marks`}
            onChange={set("strength")} aria-valuetext={`${asked.strength} ${t.units[asked.unit]}`}
          />
          <datalist id={`${id}-marks`}>{marks.map((each, i) => each !== null && <option key={i} value={each} />)}</datalist>
          <output>{absolute === null ? (dose || error ? "" : t.preparing) : t.absolute(absolute.toFixed(2))}</output>
        </div>
      </div>
      {mark && (
        <p className="hint">
          {t.marks(mark.changes_from, mark.degenerates_from)} {degenerates && <Chip kind="warn">{t.degenerates}</Chip>}
        </p>
      )}
      <details>
        <summary>{t.layer} {asked.layer || layer}, {asked.operation}, {asked.positions}</summary>
        <div className="together">
          <Field label={t.layer}>
            {(field) => <input id={field} type="number" min={0} max={library.known ? library.known.blocks - 1 : undefined} placeholder={known ? String(known.default_layer) : ""} value={asked.layer} onChange={set("layer")} />}
          </Field>
          <Field label={t.operation}>
            {(field) => <select id={field} value={asked.operation} onChange={set("operation")}>{OPERATIONS.map((each) => <option key={each}>{each}</option>)}</select>}
          </Field>
          <Field label={t.positions} hint={t.positionsHint}>{(field) => <input id={field} value={asked.positions} onChange={set("positions")} />}</Field>
        </div>
      </details>
      {nothing ? <p className="note">{t.nothingThere(layer!, somewhere.join(", "))}</p> : elsewhere && (
        <p className="note">{t.otherLayer(trained.map((each) => `${each.layer} (${each.name})`).join(", "))}</p>
      )}
      {known && <Badges badges={known.badges} />}
      <Trouble said={error} />
    </>
  );
}
