// Small pieces that every view is made of.
import { useId, type ReactElement, type ReactNode } from "react";
import type { Link } from "../api/stream";
import { texts } from "../texts";

export function Field({ label, hint, children }: { label: string; hint?: string; children: (id: string) => ReactNode }): ReactElement {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children(id)}
      {hint && <p className="hint">{hint}</p>}
    </div>
  );
}

export function Trouble({ said, again }: { said: string | null | undefined; again?: (() => void) | undefined }): ReactElement | null {
  if (!said) return null;
  return (
    <p className="trouble" role="alert">
      {said} {again && <button type="button" className="quiet" onClick={again}>{texts.again}</button>}
    </p>
  );
}

export function LinkState({ link, why, again }: { link: Link; why?: string | undefined; again?: (() => void) | undefined }): ReactElement {
  return (
    <span className={`link ${link}`} role="status">
      <span className="dot" aria-hidden="true" /> {texts.link[link]}
      {why && link !== "over" && link !== "connected" ? ` – ${why}` : ""}
      {link === "gone" && again && <> <button type="button" className="quiet" onClick={again}>{texts.again}</button></>}
    </span>
  );
}

export function Chip({ kind, children, title }: { kind: string; children: ReactNode; title?: string | undefined }): ReactElement {
  return <span className={`chip ${kind}`} title={title}>{children}</span>;
}

export const seconds = (value: number): string =>
  value < 10 ? `${value.toFixed(1)} s` : value < 90 ? `${Math.round(value)} s` : `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;

export const when = (iso: string | null): string =>
  iso ? new Date(iso).toLocaleString("en-GB", { dateStyle: "short", timeStyle: "short" }) : "–";
