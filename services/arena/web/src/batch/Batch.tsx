// Many prompts under several steerings: a form and a list, or one batch as a matrix.
import { useEffect, useRef, useState, type ReactElement } from "react";
import { call } from "../api/client";
import { AskedFields } from "../arena/AskedFields";
import { common, start, type Asked } from "../arena/asked";
import { useLibrary } from "../arena/library";
import { useAsked, useDoing } from "../parts/asked";
import { Chip, Field, Trouble, when } from "../parts/parts";
import { address, go, type Route } from "../route";
import { texts } from "../texts";
import { BatchShown } from "./BatchShown";
import { asText, promptsIn, written as promptsOf, type Apart } from "./prompts";
import "../arena/arena.css";
import "./batch.css";

const t = texts.batch;

export default function Batch({ route }: { route: Route }): ReactElement {
  return route.id ? <BatchShown key={route.id} id={route.id} /> : <Overview />;
}

function Overview(): ReactElement {
  const listed = useAsked(() => call("get", "/v1/arena/batches", { query: { limit: 50 } }), "batches", 5000);
  const doing = useDoing();
  const remove = (id: string): void =>
    void doing.run(async () => {
      await call("delete", "/v1/arena/batches/{batch_id}", { path: { batch_id: id } });
      listed.again();
    });
  return (
    <div className="arena">
      <section><h2>{t.new}</h2><NewBatch /></section>
      <section>
        <h2>{t.all}</h2>
        <Trouble said={listed.error ?? doing.error} again={listed.again} />
        {listed.value?.data.length === 0 && <p className="pending">{t.none}</p>}
        {!!listed.value?.data.length && (
          <div className="scroll" tabIndex={0} role="region" aria-label={t.all}>
            <table className="rows lined">
              <thead><tr><th scope="col">{t.created}</th><th scope="col">{t.columns}</th><th scope="col" className="right">{t.size}</th><th scope="col">{t.state}</th><th scope="col">{t.actions}</th></tr></thead>
              <tbody>
                {listed.value.data.map((each) => (
                  <tr key={each.id}>
                    <td><a href={address("batch", each.id)}>{when(each.created_at)}</a></td>
                    <td className="break">{each.names.join(", ")}</td>
                    <td className="right">{each.prompts}</td>
                    <td><Chip kind={each.state === "done" ? "completed" : each.state}>{texts.arena.states[each.state]}</Chip></td>
                    <td><button type="button" className="quiet" disabled={doing.busy || each.state === "running"} aria-label={`${t.remove} ${when(each.created_at)}`} onClick={() => remove(each.id)}>{t.remove}</button></td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </section>
    </div>
  );
}

function NewBatch(): ReactElement {
  const { library, error: unknown, again } = useLibrary();
  const [form, setForm] = useState<Asked | null>(null);
  const [domain, setDomain] = useState("");
  const [written, setWritten] = useState("");
  const [apart, setApart] = useState<Apart>("line");
  const [wrong, setWrong] = useState<string | null>(null);
  const file = useRef<HTMLInputElement>(null);
  const doing = useDoing();
  useEffect(() => {
    if (library) setForm((before) => before ?? { ...start(library.names.map((each) => each.domain)), max_tokens: "48" });
  }, [library?.digest]);
  const read = async (chosen: File | undefined): Promise<void> => {
    if (!chosen) return;
    try {
      const bytes = chosen.size > 2_000_000 ? new Uint8Array(2_000_001) : new Uint8Array(await chosen.arrayBuffer());
      const found = asText(promptsIn(bytes, apart));
      setWritten(found);
      if (!found.startsWith("[")) setApart("line");
      setDomain("");
      setWrong(null);
    } catch (error) {
      setWrong((error as Error).message);
    }
  };
  if (!form || !library) return <Trouble said={unknown} again={again} />;
  const prompts = promptsOf(written, apart);
  const begin = (): void =>
    void doing.run(async () => {
      const asked = domain ? { domain } : { prompts };
      go(address("batch", (await call("post", "/v1/arena/batches", { body: { ...common(form), ...asked } })).id));
    });
  return (
    <form
      className="asking"
      onSubmit={(event) => {
        event.preventDefault();
        begin();
      }}
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault();
        void read(event.dataTransfer.files[0]);
      }}
    >
      <div className="prompt">
        <div className="form">
          <Field label={t.domain}>
            {(id) => (
              <select id={id} value={domain} onChange={(event) => setDomain(event.target.value)}>
                <option value="">{t.own}</option>
                {library.names.filter((each) => each.source === "built-in" || each.source === "own").map((each) => <option key={each.domain} value={each.domain}>{t.domainPrompts(each.domain)}</option>)}
              </select>
            )}
          </Field>
          {!domain && (
            <>
              <Field label={`${t.prompts} (${t.counted(prompts.length)})`} hint={t.promptsHint}>{(id) => <textarea id={id} rows={5} required value={written} onChange={(event) => setWritten(event.target.value)} />}</Field>
              <Field label={t.apart}>
                {(id) => (
                  <select id={id} value={apart} onChange={(event) => setApart(event.target.value as Apart)}>
                    {(Object.keys(t.aparts) as Apart[]).map((each) => <option key={each} value={each}>{t.aparts[each]}</option>)}
                  </select>
                )}
              </Field>
              <Field label={t.file} hint={t.fileHint}>{(id) => <input id={id} type="file" ref={file} onChange={(event) => void read(event.target.files?.[0])} />}</Field>
            </>
          )}
        </div>
        <div className="acts">
          <button type="submit" className="first" disabled={doing.busy}>{t.start}</button>
          <label className="check"><input type="checkbox" checked={form.chat} onChange={(event) => setForm({ ...form, chat: event.target.checked })} /> {texts.arena.chat}</label>
        </div>
      </div>
      <Trouble said={wrong} />
      <AskedFields form={form} setForm={setForm} library={library} />
      <Trouble said={doing.error} />
    </form>
  );
}
