// One column of a run: its text, its strip, and how it differs from the baseline.
import { memo, useEffect, useRef, useState, useSyncExternalStore, type ReactElement } from "react";
import type { Schemas } from "../api/client";
import { Chip, seconds } from "../parts/parts";
import { texts } from "../texts";
import type { Column } from "./run";
import { Strip } from "./Strip";
import { percent, TokenDetail, visible } from "./TokenDetail";
import { TokenText } from "./TokenText";

const t = texts.arena;
export type Show = "tokens" | "words";
type Props = { column: Column; answer: Schemas["ColumnAnswer"]; number: number; most: number; show: Show };

export const ColumnShown = memo(function ColumnShown({ column, answer, number, most, show }: Props): ReactElement {
  const version = useSyncExternalStore(column.subscribe, () => column.version);
  const [chosen, setChosen] = useState<number | null>(null);
  const [near, setNear] = useState(false);
  const card = useRef<HTMLElement>(null);
  useEffect(() => {
    let left = false;
    const seen = new IntersectionObserver(
      (entries) => {
        const now = entries.at(-1)!.isIntersecting;
        inOwnFrame(() => left || setNear(now));
      },
      { rootMargin: "200px" },
    );
    seen.observe(card.current!);
    return () => {
      left = true;
      seen.disconnect();
    };
  }, []);
  const { difference } = answer;
  return (
    <article ref={card} className={`column own${number % 6}`} aria-label={answer.name}>
      <header>
        <h3>{answer.name}</h3>
        <p className="hint">{steered(answer)}</p>
      </header>
      {!near ? <div className="tokens" /> : show === "words" && difference ? (
        <Words difference={difference} />
      ) : !column.tokens.length && !column.ended ? (
        <div className="tokens hint">{t.waiting}</div>
      ) : (
        <TokenText name={answer.name} column={column} version={version} chosen={chosen} choose={setChosen} />
      )}
      {near && <Strip name={answer.name} column={column} version={version} most={most} chosen={chosen} choose={setChosen} />}
      <TokenDetail token={chosen === null ? null : (column.tokens[chosen] ?? null)} />
      <footer>
        <p>
          {column.ended
            ? t.footer(column.ended.tokens, seconds(column.ended.seconds), column.ended.tokens_per_second.toFixed(1))
            : texts.tasks.tokens(column.tokens.length)}
          {column.ended && column.ended.finish_reason !== "stop" && <> · {t.finishes[column.ended.finish_reason]}</>}
          {column.ended && <> <Copy text={column.text} /></>}
        </p>
        {column.ended?.error && <p className="trouble">{column.ended.error}</p>}
        {difference && <Parting difference={difference} />}
      </footer>
    </article>
  );
});

const waiting: (() => void)[] = [];

/** Columns that come into view together are made one a frame. */
function inOwnFrame(work: () => void): void {
  if (waiting.push(work) === 1) requestAnimationFrame(next);
}

function next(): void {
  waiting.shift()?.();
  if (waiting.length) requestAnimationFrame(next);
}

function steered(answer: Schemas["ColumnAnswer"]): string {
  if (!answer.steered.length) return t.baseline;
  return answer.steered
    .map((each) => `${texts.tasks.layer.toLowerCase()} ${each.layer}, α ${each.alpha.toFixed(2)}, ${each.operation}${each.positions === "all" ? "" : `, ${each.positions}`}`)
    .join("; ");
}

function Parting({ difference }: { difference: Schemas["Difference"] }): ReactElement {
  const { first } = difference;
  if (difference.same) return <p><Chip kind="plain">{t.same}</Chip></p>;
  return (
    <>
      {first && (
        <p className="parting">
          {t.firstTokens(first.index)} <code>{visible(first.column.text)}</code>{" "}
          {t.probability(percent(first.column.baseline_probability), percent(first.column.column_probability))} {t.against} {t.inBaseline}{" "}
          <code>{visible(first.baseline.text)}</code>{" "}
          {t.probability(percent(first.baseline.baseline_probability), percent(first.baseline.column_probability))}
        </p>
      )}
      <p className="hint">{t.words(percent(difference.jaccard))}</p>
    </>
  );
}

function Words({ difference }: { difference: Schemas["Difference"] }): ReactElement {
  return (
    <div className="tokens words" tabIndex={0} role="group" aria-label={t.shows.words}>
      {difference.diff.map((span, i) =>
        span.kind === "equal" ? <span key={i}>{span.text}</span> : span.kind === "insert" ? <ins key={i}>{span.text}</ins> : <del key={i}>{span.text}</del>,
      )}
    </div>
  );
}

function Copy({ text }: { text: string }): ReactElement | null {
  const [copied, setCopied] = useState(false);
  if (!navigator.clipboard) return null; // it is there on localhost and over https only
  return (
    <button type="button" className="quiet" onClick={() => void navigator.clipboard.writeText(text).then(() => setCopied(true))}>
      {copied ? t.copied : t.copy}
    </button>
  );
}
