import type { ReactElement } from "react";
import { texts } from "../texts";
import type { Token } from "./run";

const t = texts.arena;
export const percent = (p: number): string => (p >= 0.995 || p === 0 ? `${Math.round(100 * p)} %` : p < 0.001 ? "< 0.1 %" : `${(100 * p).toFixed(p < 0.1 ? 1 : 0)} %`);

/** A token as it can be read: blanks and line ends are made visible. */
export const visible = (text: string): string => text.replaceAll("\n", "⏎").replaceAll("\t", "⇥").replaceAll(" ", "␣") || "∅";

/** What is known of the token that somebody points at. */
export function TokenDetail({ token }: { token: Token | null }): ReactElement {
  return (
    <div className="detail" aria-live="polite">
      {token ? (
        <>
          <p>
            <code>{visible(token.text)}</code> {percent(Math.exp(token.logprob))}
            {token.divergence != null && <> · {token.divergence.toFixed(3)} {t.bits}</>}
            {token.projection != null && <> · {t.projection} {token.projection.toFixed(1).replace("-", "−")}</>}
          </p>
          <ul>
            {token.alternatives.map((other) => (
              <li key={other.id} className={other.id === token.id ? "taken" : ""}><code>{visible(other.text)}</code> {percent(Math.exp(other.logprob))}</li>
            ))}
          </ul>
        </>
      ) : <p className="hint">{t.hover}</p>}
    </div>
  );
}
