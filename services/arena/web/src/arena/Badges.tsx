// What calibration has shown of a vector: whether it helps, with how many observations, in which kind of prompt.
import type { ReactElement } from "react";
import type { Schemas } from "../api/client";
import { Chip } from "../parts/parts";
import { texts } from "../texts";

const t = texts.arena;
const signed = (value: number): string => `${value < 0 ? "−" : "+"}${Math.abs(value).toPrecision(2)}`;

export function Badges({ badges }: { badges: readonly Schemas["Badge"][] }): ReactElement {
  if (!badges.length) return <p className="hint">{t.notCalibrated}</p>;
  return (
    <details className="badges">
      <summary>
        {badges.map((each, i) => <Chip key={i} kind={each.verdict}>{t.verdicts[each.verdict]} · {each.regime}</Chip>)}
      </summary>
      <ul>
        {badges.map((each, i) => (
          <li key={i}>
            <b>{t.verdicts[each.verdict]}</b>, {each.regime}: {each.metric}{" "}
            {t.effect(signed(each.effect.value), signed(each.effect.low), signed(each.effect.high), each.effect.n)}; <code>{each.steering}</code>
            {each.reason && `; ${each.reason}`}
          </li>
        ))}
      </ul>
    </details>
  );
}
