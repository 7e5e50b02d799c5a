// Of which of an autoencoder's features a vector is a sum, and what is known of each.
import { useState, type ReactElement } from "react";
import { call, type Schemas } from "../api/client";
import { useLibrary } from "../arena/library";
import { percent, visible } from "../arena/TokenDetail";
import { useAsked } from "../parts/asked";
import { Field, Trouble } from "../parts/parts";
import { texts } from "../texts";

const t = texts.space;

export function Features(): ReactElement | null {
  const { library, error, again } = useLibrary();
  const saes = library?.known?.saes;
  return (
    <section className="made-of">
      <h2>{t.features}</h2>
      <Trouble said={error} again={again} />
      {saes?.length === 0 && <p className="pending">{t.noSae}</p>}
      {!!saes?.length && library && <Chosen saes={saes} vectors={library.names.map((each) => each.domain)} />}
    </section>
  );
}

function Chosen({ saes, vectors }: { saes: readonly Schemas["SaeAtHand"][]; vectors: readonly string[] }): ReactElement {
  const [domain, setDomain] = useState(vectors[0] ?? "");
  const [sae, setSae] = useState(saes[0]!.id);
  const found = useAsked(() => call("get", "/v1/arena/space/features", { query: { domain, sae } }), `${domain} ${sae}`);
  return (
    <>
      <div className="together">
        <Field label={t.vector}>
          {(id) => <select id={id} value={domain} onChange={(event) => setDomain(event.target.value)}>{vectors.map((each) => <option key={each}>{each}</option>)}</select>}
        </Field>
        <Field label={t.sae}>
          {(id) => (
            <select id={id} value={sae} onChange={(event) => setSae(event.target.value)}>
              {saes.map((each) => <option key={each.id} value={each.id}>{texts.arena.features.saeSaid(each.name, each.layer, each.features)}</option>)}
            </select>
          )}
        </Field>
      </div>
      <Trouble said={found.error} again={found.again} />
      {!found.value && !found.error && <p className="pending" role="status">{t.takingApart}</p>}
      {found.value && <Parts of={found.value} />}
    </>
  );
}

function Parts({ of }: { of: Schemas["PartsAnswer"] }): ReactElement {
  const share = (steps: string): string => percent(of.explained[steps] ?? 0);
  return (
    <>
      <p className="hint">{t.explained(share("20"), share("5"), share("100"), percent(of.random_few))}</p>
      <div className="scroll" tabIndex={0} role="region" aria-label={t.features}>
        <table className="rows lined">
          <thead>
            <tr>
              <th scope="col" className="right">{t.feature}</th><th scope="col" className="right">{t.weight}</th><th scope="col" className="right">{t.cosine}</th>
              <th scope="col" className="right">{t.active}</th><th scope="col">{t.promotes}</th><th scope="col">{t.known}</th>
            </tr>
          </thead>
          <tbody>
            {of.features.map((each) => (
              <tr key={each.feature}>
                <th scope="row" className="right">{each.feature}</th>
                <td className="right">{each.weight.toPrecision(3)}</td>
                <td className="right">{each.cosine.toFixed(2).replace("-", "−")}</td>
                <td className="right">{each.frequency === null ? "–" : percent(each.frequency)}</td>
                <td className="tokens-said">{each.promoted.map((token, i) => <code key={i}>{visible(token)}</code>)}</td>
                <td>
                  {each.explanation && <p title={t.foundIn(each.explanation.found_in)}>{each.explanation.text}</p>}
                  {each.example && <p className="path hint" title={t.foundIn(each.example.found_in)}>{each.example.text}</p>}
                  {!each.explanation && !each.example && <span className="hint">{t.unexplained}</span>}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}
