// What runs and batches are asked for alike: sampling, and what steers each column.
import type { ReactElement } from "react";
import { Field } from "../parts/parts";
import { texts } from "../texts";
import { column, MOST_COLUMNS, type Asked, type AskedColumn } from "./asked";
import { ColumnForm } from "./ColumnForm";
import type { Library } from "./library";

const t = texts.arena;
type Number = "max_tokens" | "temperature" | "top_p" | "top_k" | "min_p" | "seed" | "alternatives";
type Props = { form: Asked; setForm: (form: Asked) => void; library: Library; alternatives?: boolean };

export function AskedFields({ form, setForm, library, alternatives = false }: Props): ReactElement {
  const number = (name: Number, label: string, rest: object): ReactElement => (
    <Field label={label}>
      {(id) => <input id={id} type="number" value={form[name]} onChange={(event) => setForm({ ...form, [name]: event.target.value })} {...rest} />}
    </Field>
  );
  const change = (at: number, fields: Partial<AskedColumn>): void => setForm({ ...form, columns: form.columns.with(at, { ...form.columns[at]!, ...fields }) });
  const add = (): void => {
    const taken = form.columns.map((each) => each.name);
    const next = library.names.find((each) => !taken.includes(each.domain))?.domain ?? "";
    setForm({ ...form, columns: [...form.columns, column(next, taken)] });
  };
  return (
    <>
      <div className="together sampling" role="group" aria-label={t.sampling}>
        {number("max_tokens", t.maxTokens, { min: 1, max: 2048, required: true })}
        {number("temperature", t.temperature, { min: 0, max: 2, step: "any", required: true })}
        {number("top_p", t.topP, { min: 0, max: 1, step: "any", required: true })}
        {number("top_k", t.topK, { min: 0, required: true })}
        {number("min_p", t.minP, { min: 0, max: 1, step: "any", required: true })}
        {number("seed", t.seed, { min: 0, placeholder: t.seedDrawn })}
        {alternatives && number("alternatives", t.alternatives, { min: 0, max: 5, required: true })}
        <span className="push" />
        {form.columns.length < MOST_COLUMNS && <button type="button" className="add" onClick={add}>+ {t.add}</button>}
      </div>
      <div className="columns-asked">
        {form.columns.map((each, i) => (
          <ColumnForm
            key={each.key} asked={each} number={i} library={library} change={(fields) => change(i, fields)}
            remove={form.columns.length > 1 ? () => setForm({ ...form, columns: form.columns.toSpliced(i, 1) }) : null}
          />
        ))}
      </div>
    </>
  );
}
