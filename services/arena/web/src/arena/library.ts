// The vectors that columns may name, and what is known of them: strengths, certificates, sweeps, autoencoders.
import { useEffect, useState } from "react";
import { call, said, type Schemas } from "../api/client";
import { useAsked } from "../parts/asked";
import type { AskedColumn } from "./asked";

export type Named = { model: string; domain: string; source: string };
export type Dose = Schemas["DoseAnswer"];
export type Library = {
  names: readonly Named[];
  digest: string;
  /** Null while the server computes it, which takes a while on vectors that were never used. */
  known: Schemas["LibraryAnswer"] | null;
  /** Asks for all of it anew. */
  again: () => void;
};
export const EMPTY: Library = { names: [], digest: "", known: null, again: () => {} };

/** Null until a model is in memory. */
export function useLibrary(): { library: Library | null; error: string | null; again: () => void } {
  const model = useAsked(() => call("get", "/v1/model"), "model", 5000);
  const digest = model.value?.state === "ready" ? (model.value.digest ?? "") : "";
  const names = useAsked(async () => (digest ? (await call("get", "/v1/vectors")).data : null), digest);
  const known = useAsked(async () => (names.value ? call("get", "/v1/arena/library") : null), `${digest} ${names.value?.map((each) => each.domain).join(" ")}`);
  const library = names.value ? { names: names.value, digest, known: known.value, again: names.again } : null;
  return { library, error: model.error ?? names.error, again: names.again };
}

const asked = new Map<string, Promise<Dose>>();

/** What one dose of a column's vector is where it steers; null while it is measured. */
export function useDose(domain: string | undefined, column: AskedColumn, digest: string): { dose: Dose | null; error: string | null } {
  const layer = column.layer.trim();
  const key = domain === undefined || !/^\d*$/.test(layer) ? "" : `${digest} ${domain} ${layer} ${column.operation}`;
  const [found, setFound] = useState<{ key: string; dose: Dose | null; error: string | null }>({ key: "", dose: null, error: null });
  useEffect(() => {
    if (!key) return;
    let left = false;
    // A layer is typed digit by digit.
    const timer = setTimeout(() => {
      const query = { domain: domain!, operation: column.operation, ...(layer ? { layer: Number(layer) } : {}) };
      const answer = asked.get(key) ?? call("get", "/v1/arena/library/dose", { query });
      asked.set(key, answer);
      answer.then(
        (dose) => left || setFound({ key, dose, error: null }),
        (error: unknown) => {
          asked.delete(key);
          if (!left) setFound({ key, dose: null, error: said(error) });
        },
      );
    }, 250);
    return () => {
      left = true;
      clearTimeout(timer);
    };
  }, [key]);
  return found.key === key ? found : { dose: null, error: null };
}

/** The α of a strength; null where it is no number of its own, or not known yet. */
export function alpha(dose: Dose | null, column: AskedColumn): number | null {
  const size = Number(column.strength);
  if (!Number.isFinite(size) || !dose) return null;
  if (column.unit === "alpha") return size;
  if (column.unit === "dose") return size * dose.dose_alpha;
  return dose.spread_alpha === null ? null : (size / 100) * dose.spread_alpha;
}

/** An α in the unit that a strength is measured in. */
export function strength(dose: Dose, of: number, unit: AskedColumn["unit"]): number | null {
  if (unit === "alpha") return of;
  if (unit === "dose") return of / dose.dose_alpha;
  return dose.spread_alpha === null ? null : (100 * of) / dose.spread_alpha;
}
