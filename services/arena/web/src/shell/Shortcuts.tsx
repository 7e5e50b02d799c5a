import { useEffect, useRef, type ReactElement } from "react";
import { address, go, type View } from "../route";
import { texts } from "../texts";

const t = texts.shortcuts;
const GOES: Record<string, View> = { a: "arena", b: "batch", v: "space", t: "tasks", m: "models", l: "laboratory", s: "saved" };

/** "?" lists the shortcuts; "g" and a letter go to a view. Never while something is written. */
export function useShortcuts(list: () => void): void {
  const listing = useRef(list);
  listing.current = list;
  useEffect(() => {
    let began = 0;
    const pressed = (event: KeyboardEvent): void => {
      const at = event.target as HTMLElement;
      if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName)) return;
      const view = GOES[event.key];
      if (event.key === "?") listing.current();
      else if (event.key === "g") began = event.timeStamp;
      else if (view && event.timeStamp - began < 1500) {
        began = 0;
        go(address(view));
      }
    };
    window.addEventListener("keydown", pressed);
    return () => window.removeEventListener("keydown", pressed);
  }, []);
}

export function Shortcuts({ close }: { close: () => void }): ReactElement {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} aria-labelledby="shortcuts-title" onClose={close}>
      <h2 id="shortcuts-title">{t.title}</h2>
      <table className="rows">
        <tbody>{t.rows.map(([keys, what]) => <tr key={keys}><th scope="row"><kbd>{keys}</kbd></th><td>{what}</td></tr>)}</tbody>
      </table>
      <div className="line"><button type="button" onClick={() => dialog.current?.close()}>{texts.close}</button></div>
    </dialog>
  );
}
