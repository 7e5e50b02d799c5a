// The form of a task: an instance of a data set, or a problem statement on a repository that the operator listed.
import { useState, type ReactElement } from "react";
import { call, type Schemas } from "../api/client";
import { useDoing } from "../parts/asked";
import { Field, Trouble } from "../parts/parts";
import { address, go } from "../route";
import { texts } from "../texts";

const t = texts.tasks;
const VARIANTS = Object.keys(t.variants) as (keyof typeof t.variants)[];
type Asked = Schemas["TaskRequest"];

export function NewTask({ created }: { created: () => void }): ReactElement {
  const [from, setFrom] = useState<"instance" | "repository">("instance");
  const [fields, setFields] = useState({
    instance_id: "harborlab__tidetable-23", dataset: "bundled", repository: "", commit: "", problem_statement: "",
    variant: "dynamic", samples: "4", retries: "3", seed: "0",
  });
  const [tests, setTests] = useState(false);
  const doing = useDoing();
  const set = (name: keyof typeof fields) => (event: { target: { value: string } }): void =>
    setFields((before) => ({ ...before, [name]: event.target.value }));

  const body = (variant: string): Asked => {
    const { instance_id, dataset, repository, commit, problem_statement, samples, retries, seed } = fields;
    const named = from === "instance" ? { instance_id, dataset } : { repository, commit, problem_statement };
    return {
      ...named, variant, samples: Number(samples), retries: Number(retries), seed: Number(seed), run_tests: tests,
    };
  };
  const create = async (variant: string): Promise<string> => (await call("post", "/v1/tasks", { body: body(variant) })).id;
  const start = (both: boolean): void =>
    void doing.run(async () => {
      const first = await create(fields.variant);
      const second = both ? await create("baseline") : null;
      created();
      go(address("tasks", first, second ? { against: second } : {}));
    });

  return (
    <form
      className="form"
      onSubmit={(event) => {
        event.preventDefault();
        start(false);
      }}
    >
      <fieldset className="choice">
        <legend>{t.what}</legend>
        {(["instance", "repository"] as const).map((each) => (
          <label key={each}>
            <input type="radio" name="from" checked={from === each} onChange={() => setFrom(each)} /> {t[each]}
          </label>
        ))}
      </fieldset>
      {from === "instance" ? (
        <>
          <Field label={t.instanceId}>{(id) => <input id={id} className="path" required value={fields.instance_id} onChange={set("instance_id")} />}</Field>
          <Field label={t.dataset}>{(id) => <input id={id} required value={fields.dataset} onChange={set("dataset")} />}</Field>
        </>
      ) : (
        <>
          <Field label={t.repositoryName}>{(id) => <input id={id} required value={fields.repository} onChange={set("repository")} />}</Field>
          <Field label={t.commit}>{(id) => <input id={id} className="path" required value={fields.commit} onChange={set("commit")} />}</Field>
          <Field label={t.statement}>{(id) => <textarea id={id} rows={6} required value={fields.problem_statement} onChange={set("problem_statement")} />}</Field>
        </>
      )}
      <Field label={t.variant}>
        {(id) => (
          <select id={id} value={fields.variant} onChange={set("variant")}>
            {VARIANTS.map((each) => <option key={each} value={each}>{t.variants[each]}</option>)}
          </select>
        )}
      </Field>
      <div className="together">
        <Field label={t.samples}>{(id) => <input id={id} type="number" min={1} max={16} value={fields.samples} onChange={set("samples")} />}</Field>
        <Field label={t.retries}>{(id) => <input id={id} type="number" min={0} max={8} value={fields.retries} onChange={set("retries")} />}</Field>
        <Field label={t.seed}>{(id) => <input id={id} type="number" min={0} value={fields.seed} onChange={set("seed")} />}</Field>
      </div>
      <label className="check"><input type="checkbox" checked={tests} onChange={(event) => setTests(event.target.checked)} /> {t.tests}</label>
      <div className="line">
        <button type="submit" className="first" disabled={doing.busy}>{t.start}</button>
        <button type="button" disabled={doing.busy || fields.variant === "baseline"} onClick={() => start(true)}>{t.both}</button>
      </div>
      <Trouble said={doing.error} />
    </form>
  );
}
