// The vectors that columns may name, with what the form shows of them.
import { call } from "../api/client";
import type { AskedColumn } from "./asked";

export type Entry = {
  domain: string;
  source: string;
  layer: number;
  layers: number;
  defaultAlpha: number;
  spreads: readonly number[];
};
export type Library = { entries: readonly Entry[]; alpha: (entry: Entry, asked: AskedColumn) => number | null };
export const EMPTY: Library = { entries: [], alpha: () => null };

export async function library(): Promise<Library> {
  const listed = (await call("get", "/v1/vectors")).data;
  const entries = await Promise.all(
    listed.map(async ({ model, domain, source }) => {
      const found = await call("get", "/v1/vectors/{model}/{domain}", { path: { model, domain } });
      return {
        domain, source, layer: found.default_layer, layers: found.norms.length, defaultAlpha: found.default_alpha,
        spreads: found.spreads,
      };
    }),
  );
  return { entries, alpha };
}

/** The absolute α of a strength; null for operations of which it is no number of their own. */
function alpha(entry: Entry, asked: AskedColumn): number | null {
  const size = Number(asked.strength);
  const layer = asked.layer.trim() ? Number(asked.layer) : entry.layer;
  const spread = entry.spreads[layer];
  const own = entry.spreads[entry.layer];
  if (!Number.isFinite(size) || spread === undefined || !own || asked.operation !== "add") return null;
  if (asked.unit === "alpha") return size;
  return asked.unit === "relative_alpha" ? (size / 100) * spread : (size * entry.defaultAlpha * spread) / own;
}
