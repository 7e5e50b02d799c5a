// Which model is in memory, its exchange for another with the states on the way, and the vectors that it has.
import { useRef, useState, type ReactElement } from "react";
import { call } from "../api/client";
import { useAsked, useDoing } from "../parts/asked";
import { Chip, Field, Trouble } from "../parts/parts";
import { texts } from "../texts";
import "./models.css";

const t = texts.models;
const STEP = { draining: 0, loading: 2, ready: 3 } as const;

export default function Models(): ReactElement {
  const now = useAsked(() => call("get", "/v1/model"), "model", 1000);
  const state = now.value;
  const ready = state?.state === "ready";
  const details = useAsked(async () => (ready ? (await call("get", "/v1/models")).data[0] ?? null : null), `${state?.digest} ${ready}`);
  const doing = useDoing();
  const [wait, setWait] = useState("600");
  const load = (model: string): void =>
    void doing.run(async () => {
      await call("put", "/v1/model", { body: { model, wait_s: Number(wait) } });
      now.again();
    });
  return (
    <div className="models">
      <section>
        <h2>{t.inMemory}</h2>
        <Trouble said={now.error} again={now.again} />
        {state && (
          <>
            <p className="line big"><span className="path">{state.model}</span> <Chip kind={state.state}>{t.states[state.state]}</Chip></p>
            {!ready && (
              <ol className="steps">
                {t.steps.map((step, i) => (
                  <li key={step} aria-current={i === STEP[state.state] ? "step" : undefined} className={i < STEP[state.state] ? "past" : ""}>{step}</li>
                ))}
              </ol>
            )}
            {state.error && <Trouble said={`${t.lastError} ${state.error}`} />}
            {details.value && (
              <dl>
                <dt>{t.blocks}</dt><dd>{details.value.blocks}</dd>
                <dt>{t.width}</dt><dd>{details.value.d_model}</dd>
                <dt>{t.context}</dt><dd>{details.value.context_length.toLocaleString("en")} {t.tokens}</dd>
                {state.memory?.resident_bytes != null && <><dt>{t.memory}</dt><dd>{t.megabytes(state.memory.resident_bytes)}</dd></>}
                {state.memory && <><dt>{t.cache}</dt><dd>{t.cacheSaid(t.megabytes(state.memory.cache_bytes), t.megabytes(state.memory.cache_bytes_at_most))}</dd></>}
                <dt>{t.digest}</dt><dd className="path break">{details.value.digest}</dd>
              </dl>
            )}
            <h3>{t.listed}</h3>
            {state.may_load.length > 1 ? (
              <>
                <Field label={t.wait}>{(id) => <span><input id={id} type="number" min={0} max={3600} value={wait} onChange={(event) => setWait(event.target.value)} /> {t.waitUnit}</span>}</Field>
                <table className="rows lined">
                  <thead><tr><th scope="col">{texts.views.models}</th><th scope="col" className="right">{t.waiting}</th><th scope="col">{t.load}</th></tr></thead>
                  <tbody>
                    {state.may_load.map((name) => (
                      <tr key={name}>
                        <td className="path">{name}</td>
                        <td className="right">{state.waiting[name] ?? 0}</td>
                        <td>
                          {name === state.model && ready ? t.loaded : (
                            <button type="button" disabled={doing.busy || !ready} onClick={() => load(name)} aria-label={`${t.load} ${name}`}>{t.load}</button>
                          )}
                        </td>
                      </tr>
                    ))}
                  </tbody>
                </table>
              </>
            ) : <p className="pending">{t.none}</p>}
            <Trouble said={doing.error} />
          </>
        )}
      </section>
      {state && ready && <Vectors model={state.model} digest={state.digest ?? ""} />}
    </div>
  );
}

function Vectors({ model, digest }: { model: string; digest: string }): ReactElement {
  const listed = useAsked(() => call("get", "/v1/vectors"), digest);
  const doing = useDoing();
  const [name, setName] = useState("");
  const file = useRef<HTMLInputElement>(null);
  const send = (): void =>
    void doing.run(async () => {
      const chosen = file.current?.files?.[0];
      if (!chosen) throw new Error(t.noFile);
      await call("put", "/v1/vectors/{model}/{domain}", { path: { model, domain: name }, file: chosen });
      setName("");
      if (file.current) file.current.value = "";
      listed.again();
    });
  const remove = (domain: string): void =>
    void doing.run(async () => {
      await call("delete", "/v1/vectors/{model}/{domain}", { path: { model, domain } });
      listed.again();
    });
  return (
    <section>
      <h2>{t.vectors}</h2>
      <Trouble said={listed.error} again={listed.again} />
      <table className="rows lined">
        <thead><tr><th scope="col">{t.domain}</th><th scope="col">{t.source}</th><th scope="col">{t.remove}</th></tr></thead>
        <tbody>
          {listed.value?.data.map((vector) => (
            <tr key={`${vector.source} ${vector.domain}`}>
              <td className="path">{vector.domain}</td>
              <td>{vector.source}</td>
              <td>{vector.source === "uploaded" && <button type="button" className="quiet" disabled={doing.busy} onClick={() => remove(vector.domain)} aria-label={`${t.remove} ${vector.domain}`}>{t.remove}</button>}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <h3>{t.upload}</h3>
      <form className="form" onSubmit={(event) => { event.preventDefault(); send(); }}>
        <Field label={t.uploadName}>{(id) => <input id={id} required value={name} onChange={(event) => setName(event.target.value)} />}</Field>
        <Field label={t.uploadFile} hint={t.uploadHint}>{(id) => <input id={id} type="file" ref={file} />}</Field>
        <div className="line"><button type="submit" disabled={doing.busy}>{t.send}</button></div>
        <Trouble said={doing.error} />
      </form>
    </section>
  );
}
