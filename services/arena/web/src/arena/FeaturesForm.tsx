// A vector of an autoencoder's features: which, how they are chosen and put together; the server makes and keeps it.
import { useState, type ReactElement } from "react";
import { call, type Schemas } from "../api/client";
import { useDoing } from "../parts/asked";
import { Field, Trouble } from "../parts/parts";
import { texts } from "../texts";
import type { Library } from "./library";

const t = texts.arena.features;
type Body = Schemas["FeaturesRequest"];
type Strategy = NonNullable<Body["strategy"]>;
type Choice = NonNullable<Body["choice"]>;

export function FeaturesForm({ library, made }: { library: Library; made: (vector: string) => void }): ReactElement {
  const saes = library.known?.saes ?? [];
  const domains = library.names.filter((each) => each.source === "built-in" || each.source === "own");
  const [sae, setSae] = useState(saes[0]?.id ?? "");
  const [domain, setDomain] = useState(domains[0]?.domain ?? "");
  const [strategy, setStrategy] = useState<Strategy>("weighted");
  const [choice, setChoice] = useState<Choice>("difference");
  const [top, setTop] = useState("20");
  const doing = useDoing();
  const make = (): void =>
    void doing.run(async () => {
      const told = await call("post", "/v1/arena/library/features", { body: { sae, domain, strategy, choice, top: Number(top) } });
      library.again();
      made(told.domain);
    });
  return (
    <div className="form features">
      <Field label={t.sae}>
        {(id) => (
          <select id={id} value={sae} onChange={(event) => setSae(event.target.value)}>
            {saes.map((each) => <option key={each.id} value={each.id}>{t.saeSaid(each.name, each.layer, each.features)}</option>)}
          </select>
        )}
      </Field>
      <Field label={t.domain}>
        {(id) => (
          <select id={id} value={domain} onChange={(event) => setDomain(event.target.value)}>
            {domains.map((each) => <option key={each.domain}>{each.domain}</option>)}
          </select>
        )}
      </Field>
      <Field label={t.strategy}>
        {(id) => (
          <select id={id} value={strategy} onChange={(event) => setStrategy(event.target.value as Strategy)}>
            {(Object.keys(t.strategies) as Strategy[]).map((each) => <option key={each} value={each}>{t.strategies[each]}</option>)}
          </select>
        )}
      </Field>
      <Field label={t.choice}>
        {(id) => (
          <select id={id} value={choice} onChange={(event) => setChoice(event.target.value as Choice)}>
            {(Object.keys(t.choices) as Choice[]).map((each) => <option key={each} value={each}>{t.choices[each]}</option>)}
          </select>
        )}
      </Field>
      <Field label={t.top} hint={t.topHint}>
        {(id) => <input id={id} type="number" min={1} max={100} required value={top} onChange={(event) => setTop(event.target.value)} />}
      </Field>
      <div className="line">
        <button type="button" disabled={doing.busy} onClick={make}>{t.make}</button>
        {doing.busy && <span className="pending" role="status">{t.making}</span>}
      </div>
      <Trouble said={doing.error} />
    </div>
  );
}
