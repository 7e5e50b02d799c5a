// The face: one prompt under several steerings at once.
import { useEffect, useMemo, useRef, useState, type ReactElement } from "react";
import { call } from "../api/client";
import { useDoing } from "../parts/asked";
import { Chip, Field, LinkState, seconds, Trouble } from "../parts/parts";
import { address, go, type Route } from "../route";
import { texts } from "../texts";
import { asked as formOf, body, start, type Asked } from "./asked";
import { AskedFields } from "./AskedFields";
import { ColumnShown, type Show } from "./ColumnShown";
import { EMPTY, useLibrary, type Library } from "./library";
import { save } from "./saving";
import { useRun, type Followed } from "./useRun";
import "./arena.css";

const t = texts.arena;

export default function Arena({ route }: { route: Route }): ReactElement {
  const followed = useRun(route.id);
  const vectors = useLibrary();
  const { library } = vectors;
  const doing = useDoing();
  const [form, setForm] = useState<Asked | null>(null);
  const { answer } = followed;
  // A run's own request fills the form; without one the form begins with what the library has.
  useEffect(() => {
    if (answer) setForm(formOf(answer.request));
  }, [answer?.id]);
  useEffect(() => {
    if (!route.id && library) setForm((before) => before ?? start(library.names.map((each) => each.domain)));
  }, [route.id, library?.digest]);

  const running = answer?.state === "running" && followed.link !== "gone" && !followed.failure;
  const run = (): void => {
    if (form) void doing.run(async () => go(address("arena", (await call("post", "/v1/arena/runs", { body: body(form) })).id)));
  };
  const stop = (): void => {
    if (route.id) void doing.run(async () => void (await call("delete", "/v1/arena/runs/{run_id}", { path: { run_id: route.id! } })));
  };
  const acting = useRef({ running, stop, run });
  acting.current = { running, stop, run };
  useEffect(() => {
    const pressed = (event: KeyboardEvent): void => {
      const now = acting.current;
      if (event.key === "Escape" && now.running && !document.querySelector("dialog[open]")) now.stop();
    };
    window.addEventListener("keydown", pressed);
    return () => window.removeEventListener("keydown", pressed);
  }, []);

  return (
    <div className="arena">
      <h2 className="hidden">{t.title}</h2>
      <Trouble said={vectors.error} again={vectors.again} />
      <Trouble said={followed.error} again={followed.again} />
      {form && (
        <Form form={form} setForm={setForm} library={library ?? EMPTY} running={running} busy={doing.busy} run={run} stop={stop} error={doing.error} />
      )}
      {answer && <Result followed={followed} />}
    </div>
  );
}

type FormProps = {
  form: Asked;
  setForm: (form: Asked) => void;
  library: Library;
  running: boolean;
  busy: boolean;
  run: () => void;
  stop: () => void;
  error: string | null;
};

function Form({ form, setForm, library, running, busy, run, stop, error }: FormProps): ReactElement {
  const set = (name: keyof Asked) => (event: { target: { value: string } }): void => setForm({ ...form, [name]: event.target.value });
  return (
    <form
      className="asking"
      onSubmit={(event) => {
        event.preventDefault();
        if (!running) run();
      }}
      onKeyDown={(event) => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.currentTarget.requestSubmit();
      }}
    >
      <div className="prompt">
        <Field label={t.prompt}>{(id) => <textarea id={id} rows={3} required value={form.prompt} onChange={set("prompt")} />}</Field>
        <div className="acts">
          {running ? <button type="button" className="first" onClick={stop}>{t.stop}</button> : <button type="submit" className="first" disabled={busy}>{t.run}</button>}
          <label className="check"><input type="checkbox" checked={form.chat} onChange={(event) => setForm({ ...form, chat: event.target.checked })} /> {t.chat}</label>
        </div>
      </div>
      <AskedFields form={form} setForm={setForm} library={library} alternatives />
      <Trouble said={error} />
    </form>
  );
}

function Result({ followed: { answer, run, link, why, failure, again } }: { followed: Followed }): ReactElement | null {
  const [show, setShow] = useState<Show>("tokens");
  const doing = useDoing();
  const compared = answer?.columns.some((each) => each.difference);
  const most = useMemo(() => Math.max(1, ...(run?.columns.map((each) => each.mostBits) ?? [])), [run, answer]);
  if (!answer || !run) return null;
  const repeat = (): void =>
    void doing.run(async () => go(address("arena", (await call("post", "/v1/arena/runs/{run_id}/again", { path: { run_id: answer.id } })).id)));
  const check = answer.self_check;
  return (
    <section className="result" aria-label={t.columns}>
      <div className="line bar">
        <Chip kind={answer.state === "done" ? "completed" : answer.state}>{t.states[answer.state]}</Chip>
        {answer.state === "running" && <LinkState link={link} why={why} again={again} />}
        {answer.ended && <span>{t.together(answer.ended.tokens, seconds(answer.ended.seconds), answer.ended.tokens_per_second.toFixed(1))}</span>}
        {check && <Chip kind={check.same ? "good" : "failed"}>{check.same ? t.selfSame(check.tokens) : t.selfDifferent(check.tokens)}</Chip>}
        <span className="push" />
        {compared && (
          <span className="switch" role="group" aria-label={t.show}>
            {(["tokens", "words"] as const).map((each) => (
              <button key={each} type="button" aria-pressed={show === each} onClick={() => setShow(each)}>{t.shows[each]}</button>
            ))}
          </span>
        )}
        {answer.state !== "running" && <button type="button" disabled={doing.busy} onClick={repeat}>{t.again}</button>}
        {answer.state !== "running" && <button type="button" disabled={doing.busy} onClick={() => void doing.run(() => save(`/v1/arena/runs/${answer.id}/page`, `${answer.id}.html`))}>{t.page}</button>}
      </div>
      <Trouble said={doing.error} />
      <Trouble said={failure ?? (answer.state === "interrupted" ? t.interrupted : null)} again={failure || answer.state === "interrupted" ? repeat : undefined} />
      <div className="columns">
        {answer.columns.map((each, i) => <ColumnShown key={i} column={run.columns[i]!} answer={each} number={i} most={most} show={show} />)}
      </div>
    </section>
  );
}
