// What a task has told: the chosen node's decision and text, and beside it what was found, tried and accepted.
import { useEffect, useRef, type ReactElement } from "react";
import type { Schemas } from "../api/client";
import { Chip } from "../parts/parts";
import { texts } from "../texts";
import type { NodeRun, Told } from "./fold";
import { Patch } from "./Patch";

const t = texts.tasks;

export function Decision({ decision }: { decision: Schemas["SteeringRecord"] }): ReactElement {
  const facts = decision.evidence;
  return (
    <div className="decision">
      <h4>
        {t.decision} <Chip kind={decision.applied ? "on" : "off"}>{decision.applied ? t.steered : t.notSteered}</Chip>
      </h4>
      <dl>
        <dt>{t.reason}</dt>
        <dd>{decision.reason} <code>{decision.code}</code></dd>
        {decision.vector && <><dt>{t.vector}</dt><dd>{decision.vector}</dd></>}
        {decision.layer !== null && <><dt>{t.layer}</dt><dd>{decision.layer}</dd></>}
        {decision.alpha !== null && (
          <>
            <dt>{t.alpha}</dt>
            <dd>
              {decision.alpha.toFixed(2)}
              {decision.relative_alpha !== null && <> ({(100 * decision.relative_alpha).toFixed(0)} % {t.share})</>}
            </dd>
          </>
        )}
        <dt>{t.evidence}</dt>
        <dd>
          {facts
            ? t.evidenceSaid(facts.metric, signed(facts.effect), signed(facts.interval[0]), signed(facts.interval[1]), facts.n, facts.regime)
            : t.noEvidence}
        </dd>
      </dl>
    </div>
  );
}

const signed = (value: number): string => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(3)}`;

/** The text of a node's run, which stays at its end while it is written, unless somebody scrolled up. */
export function Written({ run }: { run: NodeRun }): ReactElement {
  const box = useRef<HTMLPreElement>(null);
  const atEnd = useRef(true);
  useEffect(() => {
    if (box.current && atEnd.current) box.current.scrollTop = box.current.scrollHeight;
  }, [run.text]);
  const writes = run.name !== "retrieve" && run.name !== "validate";
  return (
    <pre
      ref={box}
      className="written"
      tabIndex={0}
      aria-label={t.text}
      onScroll={({ currentTarget: at }) => {
        atEnd.current = at.scrollHeight - at.scrollTop - at.clientHeight < 24;
      }}
    >
      {run.text || (writes ? t.waitingText : t.noText)}
      {run.state === "running" && run.text && <span className="caret" aria-hidden="true" />}
    </pre>
  );
}

export function Node({ runs }: { runs: readonly NodeRun[] }): ReactElement | null {
  const run = runs.at(-1);
  if (!run) return <p className="pending">{t.nodeStates.waiting}</p>;
  return (
    <div className={run.decision ? "node-shown decided" : "node-shown"}>
      {run.decision && <Decision decision={run.decision} />}
      <div>
      <p className="counts">
        {runs.length > 1 ? `${t.attempt(run.attempt)} · ` : ""}
        {run.newTokens > 0 && t.tokens(run.newTokens)}
        {run.promptTokens > 0 && ` · ${t.prompt(run.promptTokens)}`}
      </p>
      <Written run={run} />
      </div>
    </div>
  );
}

export function Retrieved({ told }: { told: Told }): ReactElement {
  if (!told.hits.length) return <p className="pending">{t.pending}</p>;
  const best = Math.max(...told.hits.map((hit) => hit.score), 1e-9);
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label={t.retrieved}>
      <table className="rows">
        <thead><tr><th scope="col">{t.file}</th><th scope="col" className="right">{t.score}</th></tr></thead>
        <tbody>
          {told.hits.map((hit) => (
            <tr key={hit.path}>
              <td className="path">{hit.path}</td>
              <td className="right bar"><meter min={0} max={best} value={hit.score} aria-hidden="true" /> {hit.score.toFixed(3)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {told.definitions.length > 0 && (
        <details>
          <summary>{t.definitions} ({told.definitions.length})</summary>
          <table className="rows">
            <tbody>
              {told.definitions.map((each, i) => (
                <tr key={i}>
                  <td className="path">{each.name}</td>
                  <td className="path">{each.path}:{each.lines[0]}–{each.lines[1]}</td>
                  <td className="right">{each.score.toFixed(3)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </details>
      )}
    </div>
  );
}

export function Candidates({ told }: { told: Told }): ReactElement {
  if (!told.candidates.length) return <p className="pending">{t.pending}</p>;
  return (
    <div className="scroll tall" tabIndex={0} role="region" aria-label={t.candidates}>
      {told.tests && <p>{t.testsFound(told.tests.passing, told.tests.failing.length)}</p>}
      <table className="rows">
        <thead>
          <tr><th scope="col">{t.candidate}</th><th scope="col">{t.file}</th><th scope="col">{t.verdict}</th></tr>
        </thead>
        <tbody>
          {told.candidates.map((each, i) => (
            <tr key={i}>
              <td>{each.number}</td>
              <td className="path">{each.path}</td>
              <td><Chip kind={each.verdict === "valid" ? "good" : "plain"}>{each.verdict}</Chip></td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function Outcome({ told }: { told: Told }): ReactElement {
  const ending = told.ending;
  if (!ending) return <p className="pending">{t.pending}</p>;
  return (
    <>
      {ending.reason && <p>{ending.reason}</p>}
      {ending.patch ? <Patch patch={ending.patch} /> : <p className="pending">{t.noPatch}</p>}
    </>
  );
}
