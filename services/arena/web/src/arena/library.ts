// The vectors that columns may name. What the form shows of one is asked for when a column names it: a vector that
// was never used before is made first, which takes the server a while.
import { useEffect, useState } from "react";
import { call, said } from "../api/client";
import type { AskedColumn } from "./asked";

export type Named = { model: string; domain: string; source: string };
export type Entry = { layer: number; layers: number; defaultAlpha: number; spreads: readonly number[] };

export const names = async (): Promise<Named[]> => (await call("get", "/v1/vectors")).data;

const known = new Map<string, Promise<Entry>>();

function load(named: Named, digest: string): Promise<Entry> {
  const key = `${digest} ${named.source} ${named.domain}`;
  const asked =
    known.get(key) ??
    call("get", "/v1/vectors/{model}/{domain}", { path: { model: named.model, domain: named.domain } }).then((found) => ({
      layer: found.default_layer,
      layers: found.norms.length,
      defaultAlpha: found.default_alpha,
      spreads: found.spreads,
    }));
  known.set(key, asked);
  asked.catch(() => known.delete(key));
  return asked;
}

/** What is known of a column's vector; null while it is asked for. */
export function useEntry(named: Named | undefined, digest: string): { entry: Entry | null; error: string | null } {
  const [found, setFound] = useState<{ of: Named | undefined; entry: Entry | null; error: string | null }>({ of: undefined, entry: null, error: null });
  useEffect(() => {
    let left = false;
    if (named)
      load(named, digest).then(
        (entry) => left || setFound({ of: named, entry, error: null }),
        (error: unknown) => left || setFound({ of: named, entry: null, error: said(error) }),
      );
    return () => void (left = true);
  }, [named, digest]);
  return found.of === named ? found : { entry: null, error: null };
}

/** The absolute α of a strength; null for operations of which it is no number of their own. */
export function alpha(entry: Entry, asked: AskedColumn): number | null {
  const size = Number(asked.strength);
  const layer = asked.layer.trim() ? Number(asked.layer) : entry.layer;
  const spread = entry.spreads[layer];
  const own = entry.spreads[entry.layer];
  if (!Number.isFinite(size) || spread === undefined || !own || asked.operation !== "add") return null;
  if (asked.unit === "alpha") return size;
  return asked.unit === "relative_alpha" ? (size / 100) * spread : (size * entry.defaultAlpha * spread) / own;
}
