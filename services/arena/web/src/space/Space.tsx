// How the vectors of a library lie to one another, layer by layer.
import { scaleLinear, scaleLog } from "d3-scale";
import { line } from "d3-shape";
import { useState, type ReactElement } from "react";
import { call, type Schemas } from "../api/client";
import { percent, visible } from "../arena/TokenDetail";
import { useAsked } from "../parts/asked";
import { Field, Trouble } from "../parts/parts";
import { texts } from "../texts";
import { Features } from "./Features";
import "../arena/arena.css";
import "./space.css";

const t = texts.space;
type Answer = Schemas["SpaceAnswer"];
const DASHES = ["", "6 3", "2 3", "8 3 2 3"];

export default function Space(): ReactElement {
  const { value, error, again } = useAsked(() => call("get", "/v1/arena/space"), "space");
  return (
    <section className="space">
      <h2>{t.title}</h2>
      <Trouble said={error} again={again} />
      {!value && !error && <p className="pending">{t.computing}</p>}
      {value && <Shown space={value} />}
      <Features />
    </section>
  );
}

function Shown({ space }: { space: Answer }): ReactElement {
  const [layer, setLayer] = useState(() => space.vectors[0]?.default_layer ?? 0);
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const [chosen, setChosen] = useState(space.vectors[0]?.domain ?? "");
  const shown = space.vectors.map((vector, number) => ({ vector, number })).filter(({ vector }) => !hidden.has(vector.domain));
  const toggle = (domain: string): void => {
    const next = new Set(hidden);
    if (!next.delete(domain)) next.add(domain);
    setHidden(next);
  };
  const vector = space.vectors.find((each) => each.domain === chosen);
  return (
    <>
      <div className="line">
        <Field label={`${t.layer} ${layer}`}>
          {(id) => <input id={id} className="layer" type="range" min={0} max={space.layers - 1} value={layer} onChange={(event) => setLayer(Number(event.target.value))} />}
        </Field>
        <fieldset className="line legend">
          <legend className="hidden">{t.show}</legend>
          {space.vectors.map((each, number) => (
            <label key={each.domain} className={`own${number % 6}`}>
              <input type="checkbox" checked={!hidden.has(each.domain)} onChange={() => toggle(each.domain)} />
              <svg width="26" height="8" aria-hidden="true"><line x1="0" x2="26" y1="4" y2="4" className="drawn" strokeDasharray={DASHES[Math.floor(number / 6) % 4]} /></svg>
              {each.domain}
            </label>
          ))}
        </fieldset>
      </div>
      <div className="charts">
        <figure>
          <figcaption><h3>{t.paths}</h3></figcaption>
          <Paths shown={shown} layer={layer} />
          <p className="hint">{t.pathsHint(percent(space.explained[0]), percent(space.explained[1]))}</p>
        </figure>
        <figure>
          <figcaption><h3>{t.cosines(layer)}</h3></figcaption>
          <Cosines space={space} layer={layer} shown={shown} />
        </figure>
        <figure><figcaption><h3>{t.norms}</h3></figcaption><Lines shown={shown} of="norms" label={t.norms} layer={layer} log /></figure>
        <figure><figcaption><h3>{t.share}</h3></figcaption><Lines shown={shown} of="residual_shares" label={t.share} layer={layer} /></figure>
        <figure>
          <figcaption className="line">
            <h3>{t.words(chosen, layer)}</h3>
            <select aria-label={t.vector} value={chosen} onChange={(event) => setChosen(event.target.value)}>
              {space.vectors.map((each) => <option key={each.domain}>{each.domain}</option>)}
            </select>
          </figcaption>
          {vector && <Words words={vector.words[layer]} />}
        </figure>
      </div>
    </>
  );
}

type Drawn = { vector: Answer["vectors"][number]; number: number }[];
const WIDTH = 560;
const HEIGHT = 340;
const EDGE = 36;

function Paths({ shown, layer }: { shown: Drawn; layer: number }): ReactElement {
  const all = (of: "x" | "y"): number[] => shown.flatMap(({ vector }) => vector[of]);
  const x = scaleLinear().domain(extent(all("x"))).range([12, WIDTH - 90]).nice();
  const y = scaleLinear().domain(extent(all("y"))).range([HEIGHT - 12, 12]).nice();
  const labels = apart(shown.map(({ vector }) => [x(vector.x[layer] ?? 0), y(vector.y[layer] ?? 0)]));
  return (
    <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={t.pathsLabel}>
      <line className="axis" x1={x(0)} x2={x(0)} y1="0" y2={HEIGHT} />
      <line className="axis" y1={y(0)} y2={y(0)} x1="0" x2={WIDTH} />
      {shown.map(({ vector, number }, i) => {
        const points = vector.x.map((each, j): [number, number] => [x(each), y(vector.y[j]!)]);
        const [atX, atY] = points[layer] ?? [0, 0];
        return (
          <g key={vector.domain} className={`own${number % 6}`}>
            <path className="drawn" d={line()(points) ?? ""} strokeDasharray={DASHES[Math.floor(number / 6) % 4]} />
            <circle className="start" cx={points[0]?.[0]} cy={points[0]?.[1]} r="2.5" />
            <circle className="at" cx={atX} cy={atY} r="5" />
            <text x={atX + 9} y={labels[i]! + 4}>{vector.domain}</text>
          </g>
        );
      })}
    </svg>
  );
}

/** Heights of labels beside points, moved down where they would lie on one another. */
function apart(points: [number, number][]): number[] {
  const heights = points.map(([, y]) => y);
  const placed: number[] = [];
  for (const i of points.map((_, each) => each).sort((a, b) => heights[a]! - heights[b]!)) {
    for (const other of placed) {
      const near = Math.abs(points[i]![0] - points[other]![0]) < 110;
      if (near && heights[i]! < heights[other]! + 12 && heights[i]! > heights[other]! - 12) heights[i] = heights[other]! + 12;
    }
    placed.push(i);
  }
  return heights;
}

function Lines({ shown, of, label, layer, log = false }: { shown: Drawn; of: "norms" | "residual_shares"; label: string; layer: number; log?: boolean }): ReactElement {
  const values = shown.flatMap(({ vector }) => vector[of]);
  const count = shown[0]?.vector[of].length ?? 1;
  const x = scaleLinear().domain([0, Math.max(count - 1, 1)]).range([EDGE + 8, WIDTH - 8]);
  const [low, high] = extent(values);
  const y = (log ? scaleLog().domain([Math.max(low, 1e-6), high]) : scaleLinear().domain([0, high])).range([HEIGHT - 26, 10]).nice();
  const ticks = log ? y.ticks(4).filter((each) => /^[125]/.test(each.toExponential())) : y.ticks(5);
  return (
    <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={label}>
      {ticks.map((tick) => (
        <g key={tick}>
          <line className="axis" x1={EDGE + 8} x2={WIDTH - 8} y1={y(tick)} y2={y(tick)} />
          <text className="tick" x={EDGE} y={y(tick) + 4} textAnchor="end">{of === "residual_shares" ? percent(tick) : tick}</text>
        </g>
      ))}
      {x.ticks(8).filter(Number.isInteger).map((tick) => <text key={tick} className="tick" x={x(tick)} y={HEIGHT - 8} textAnchor="middle">{tick}</text>)}
      <line className="now" x1={x(layer)} x2={x(layer)} y1="10" y2={HEIGHT - 26} />
      {shown.map(({ vector, number }) => (
        <path
          key={vector.domain} className={`drawn own${number % 6}`} strokeDasharray={DASHES[Math.floor(number / 6) % 4]}
          d={line()(vector[of].map((each, i): [number, number] => [x(i), y(Math.max(each, log ? 1e-6 : 0))])) ?? ""}
        />
      ))}
    </svg>
  );
}

function Cosines({ space, layer, shown }: { space: Answer; layer: number; shown: Drawn }): ReactElement {
  const at = space.cosines[layer] ?? [];
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label={t.cosines(layer)}>
      <table className="cosines">
        <thead><tr><td />{shown.map(({ vector }) => <th key={vector.domain} scope="col"><span>{vector.domain}</span></th>)}</tr></thead>
        <tbody>
          {shown.map(({ vector, number }) => (
            <tr key={vector.domain}>
              <th scope="row">{vector.domain}</th>
              {shown.map(({ vector: other, number: beside }) => {
                const cosine = at[number]?.[beside] ?? 0;
                return <td key={other.domain} className={`${cosine < 0 ? "below" : "above"} s${Math.min(5, Math.round(5 * Math.abs(cosine)))}`}>{cosine.toFixed(2).replace("-", "−")}</td>;
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Words({ words }: { words: Schemas["LayerWords"] | undefined }): ReactElement | null {
  if (!words) return null;
  const rows = Array.from({ length: Math.max(words.promoted.length, words.suppressed.length) }, (_, i) => i);
  return (
    <table className="rows lined">
      <thead><tr><th scope="col">{t.promoted}</th><th scope="col" className="right">{t.deviations}</th><th scope="col">{t.suppressed}</th><th scope="col" className="right">{t.deviations}</th></tr></thead>
      <tbody>
        {rows.map((i) => (
          <tr key={i}>
            <td className="path">{visible(words.promoted[i] ?? "")}</td><td className="right">{words.promoted_z[i]?.toFixed(1)}</td>
            <td className="path">{visible(words.suppressed[i] ?? "")}</td><td className="right">{words.suppressed_z[i]?.toFixed(1).replace("-", "−")}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

const extent = (values: readonly number[]): [number, number] => values.reduce<[number, number]>(([low, high], each) => [Math.min(low, each), Math.max(high, each)], [Infinity, -Infinity]);
