// A batch as it goes on: its cells as they come, and its figures from the server every few seconds.
import { useEffect, useState } from "react";
import { call, said, type Schemas } from "../api/client";
import { follow, type Frame, type Link } from "../api/stream";
import { queue } from "../arena/run";

type Answer = Schemas["BatchAnswer"];
export type Followed = { answer: Answer | null; link: Link; why: string | undefined; failure: string | null; error: string | null; again: () => void };
const LOOK_MS = 4000;
const ENDS = new Set(["batch_ended", "batch_failed"]);

export function useBatch(id: string): Followed {
  const [state, setState] = useState<Omit<Followed, "again">>({ answer: null, link: "connecting", why: undefined, failure: null, error: null });
  const [tries, setTries] = useState(0);
  useEffect(() => {
    const leaving = new AbortController();
    const set = (change: Partial<Followed>): void => {
      if (!leaving.signal.aborted) setState((before) => ({ ...before, ...change }));
    };
    const load = async (): Promise<Answer> => {
      const answer = await call("get", "/v1/arena/batches/{batch_id}", { path: { batch_id: id }, signal: leaving.signal });
      set({ answer, failure: answer.error, error: null });
      return answer;
    };
    const fail = (error: unknown): void => set({ error: said(error) });
    let cells: Schemas["Cell"][] = [];
    let looked = performance.now();
    const drain = queue<Frame>(
      (frame) => {
        const event = JSON.parse(frame.data) as Schemas["BatchEvent"];
        if (event.kind === "cell") cells.push(event);
        if (event.kind === "batch_failed") set({ failure: event.reason });
        if (ENDS.has(event.kind)) load().catch(fail);
      },
      () => {
        const fresh = cells;
        cells = [];
        if (fresh.length && !leaving.signal.aborted)
          setState((before) => (before.answer ? { ...before, answer: { ...before.answer, cells: merged(before.answer.cells, fresh) } } : before));
        if (performance.now() - looked > LOOK_MS) {
          looked = performance.now();
          load().catch(fail);
        }
        return false;
      },
    );
    const begin = async (): Promise<void> => {
      const answer = await load();
      if (answer.state !== "running") return set({ link: "over" });
      let told = false;
      await follow({
        path: `/v1/arena/batches/${encodeURIComponent(id)}/events`,
        since: answer.last_event,
        onFrames: drain.push,
        onLink: (link, why) => {
          set({ link, why });
          if (link === "over" && !told) load().catch(fail);
        },
        ends: (frame) => (told ||= ENDS.has(frame.event)),
        signal: leaving.signal,
      });
    };
    begin().catch(fail);
    return () => {
      leaving.abort();
      drain.stop();
    };
  }, [id, tries]);
  return { ...state, again: () => setTries((before) => before + 1) };
}

const place = (cell: Schemas["Cell"]): string => `${cell.prompt} ${cell.column}`;

function merged(known: Schemas["Cell"][], fresh: Schemas["Cell"][]): Schemas["Cell"][] {
  const there = new Set(known.map(place));
  return [...known, ...fresh.filter((cell) => !there.has(place(cell)))];
}
