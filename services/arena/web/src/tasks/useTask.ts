// One task as it is followed: what it has told so far, all its events, and how the link stands.
import { useEffect, useRef, useState } from "react";
import { follow, type Link } from "../api/stream";
import { endsTask, fold, NOTHING, type TaskEvent, type Told } from "./fold";

export type Followed = { told: Told; events: readonly TaskEvent[]; link: Link; why: string | undefined; again: () => void };

export function useTask(id: string, turn: number): Followed {
  const [told, setTold] = useState<Told>(NOTHING);
  const [link, setLink] = useState<{ link: Link; why: string | undefined }>({ link: "connecting", why: undefined });
  const [tries, setTries] = useState(0);
  const events = useRef<TaskEvent[]>([]);
  const shown = useRef(id);
  useEffect(() => {
    if (shown.current !== id) {
      shown.current = id;
      events.current = [];
      setTold(NOTHING);
    }
    const leaving = new AbortController();
    let waiting: TaskEvent[] = [];
    let frame = 0;
    const paint = (): void => {
      frame = 0;
      const fresh = waiting;
      waiting = [];
      events.current.push(...fresh);
      setTold((before) => fold(fresh, before));
    };
    void follow({
      path: `/v1/tasks/${encodeURIComponent(id)}/events`,
      since: events.current.at(-1)?.seq ?? 0,
      onFrames: (frames) => {
        for (const each of frames) if (each.id !== null) waiting.push(JSON.parse(each.data) as TaskEvent);
        // At most one change of the page a frame, however many events there are.
        if (!frame) frame = requestAnimationFrame(paint);
      },
      onLink: (now, why) => setLink({ link: now, why }),
      ends: (each) => endsTask(each.event),
      signal: leaving.signal,
    });
    return () => {
      leaving.abort();
      if (frame) {
        cancelAnimationFrame(frame);
        events.current.push(...waiting);
        setTold((before) => fold(waiting, before));
      }
    };
  }, [id, turn, tries]);
  return { told, events: events.current, ...link, again: () => setTries((before) => before + 1) };
}
