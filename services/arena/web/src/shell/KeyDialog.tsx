import { useEffect, useRef, useState, useSyncExternalStore, type ReactElement } from "react";
import { currentAsking, dismiss, subscribe, useKey as takeKey } from "../api/key";
import { texts } from "../texts";

const t = texts.key;

/** Opens when the server has answered that it wants a key. */
export function KeyDialog(): ReactElement {
  const asking = useSyncExternalStore(subscribe, currentAsking);
  const dialog = useRef<HTMLDialogElement>(null);
  const [key, setKey] = useState("");
  const [keep, setKeep] = useState(false);
  useEffect(() => {
    if (asking && !dialog.current?.open) dialog.current?.showModal();
    if (!asking) dialog.current?.close();
  }, [asking]);
  return (
    <dialog ref={dialog} aria-labelledby="key-title" onCancel={(event) => { event.preventDefault(); dismiss(); }}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          takeKey(key.trim(), keep);
          setKey("");
        }}
      >
        <h2 id="key-title">{t.title}</h2>
        {asking?.wrong && <p className="trouble" role="alert">{t.wrong}</p>}
        <p>{t.explained}</p>
        <label className="field">
          {t.label}
          <input type="password" autoComplete="off" spellCheck={false} required pattern="[\x21-\x7e]+" value={key} onChange={(event) => setKey(event.target.value)} />
        </label>
        <label className="check"><input type="checkbox" checked={keep} onChange={(event) => setKeep(event.target.checked)} /> {t.keep}</label>
        <div className="line">
          <button type="submit" className="first">{t.use}</button>
          <button type="button" onClick={dismiss}>{t.cancel}</button>
        </div>
      </form>
    </dialog>
  );
}
