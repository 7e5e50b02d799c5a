// A kept run, or one that goes on: its request and comparison from the server, its tokens as they come.
import { useEffect, useRef, useState } from "react";
import { call, said } from "../api/client";
import { follow, type Frame, type Link } from "../api/stream";
import { endsRun, inTurns, queue, Run, type RunAnswer, type RunEvent } from "./run";

export type Followed = {
  answer: RunAnswer | null;
  run: Run | null;
  link: Link;
  why: string | undefined;
  failure: string | null;
  error: string | null;
  again: () => void;
};
const NOTHING = { answer: null, run: null, link: "connecting" as Link, why: undefined, failure: null, error: null };

export function useRun(id: string | null): Followed {
  const [state, setState] = useState<Omit<Followed, "again"> & { id: string | null }>({ ...NOTHING, id });
  const [tries, setTries] = useState(0);
  const kept = useRef<{ id: string; run: Run } | null>(null);
  useEffect(() => {
    if (!id) return;
    const leaving = new AbortController();
    const set = (change: Partial<Followed>): void => {
      if (!leaving.signal.aborted) setState((before) => (before.id === id ? { ...before, ...change } : { ...NOTHING, id, ...change }));
    };
    const load = async (): Promise<RunAnswer> => call("get", "/v1/arena/runs/{run_id}", { path: { run_id: id }, signal: leaving.signal });
    let stop = (): void => {};
    const begin = async (): Promise<void> => {
      const answer = await load();
      const run = kept.current?.id === id ? kept.current.run : new Run(answer);
      kept.current = { id, run };
      const over = answer.state !== "running";
      set({ answer, run, failure: answer.error, link: over ? "over" : "connecting", error: null });
      if (over) return;
      const drain = queue<Frame>(
        (frame) => {
          const event = JSON.parse(frame.data) as RunEvent;
          const ended = run.take(event);
          if (ended?.kind === "run_failed") set({ failure: ended.reason });
          // Comparisons are made when all is told.
          if (ended) load().then((whole) => set({ answer: whole, failure: whole.error }), (error: unknown) => set({ error: said(error) }));
        },
        inTurns(run.columns),
      );
      stop = drain.stop;
      let told = false;
      await follow({
        path: `/v1/arena/runs/${encodeURIComponent(id)}/events`,
        since: run.last,
        onFrames: drain.push,
        onLink: (link, why) => {
          set({ link, why });
          if (link === "over" && !told) load().then((whole) => set({ answer: whole, failure: whole.error }), (error: unknown) => set({ error: said(error) }));
        },
        ends: (frame) => (told ||= endsRun(frame.event)),
        signal: leaving.signal,
      });
    };
    begin().catch((error: unknown) => {
      if (!leaving.signal.aborted) set({ error: said(error) });
    });
    return () => {
      leaving.abort();
      stop();
    };
  }, [id, tries]);
  const shown = state.id === id ? state : { ...NOTHING, id };
  return { ...shown, again: () => setTries((before) => before + 1) };
}
