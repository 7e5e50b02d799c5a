// A finished task once more, event by event, at any speed.
import { useEffect, useMemo, useState, type ReactElement } from "react";
import { texts } from "../texts";
import type { TaskEvent } from "./fold";
import { happened, timeline } from "./replay";

const t = texts.tasks.replay;
const SPEEDS = [0.5, 1, 2, 4, 8, 16, 32];

type Props = { events: readonly TaskEvent[]; place: number | null; setPlace: (place: number | null) => void };

export function Replay({ events, place, setPlace }: Props): ReactElement {
  const [playing, setPlaying] = useState(false);
  const [speed, setSpeed] = useState(4);
  const times = useMemo(() => timeline(events), [events, events.length]);
  const now = place ?? events.length;

  useEffect(() => {
    if (!playing) return;
    let last = performance.now();
    let time = times[Math.max(now - 1, 0)] ?? 0;
    let frame = requestAnimationFrame(function tick(at: number): void {
      time += ((at - last) / 1000) * speed;
      last = at;
      const count = happened(times, time);
      setPlace(count);
      if (count >= times.length) setPlaying(false);
      else frame = requestAnimationFrame(tick);
    });
    return () => cancelAnimationFrame(frame);
    // `now` is where playing began; it changes with every frame.
  }, [playing, speed, times]);

  const toggle = (): void => {
    if (!playing && now >= events.length) setPlace(0);
    setPlaying(!playing);
  };
  return (
    <div
      className="replay"
      role="group"
      aria-label={t.title}
      onKeyDown={(event) => {
        if (event.key === " " && event.target instanceof HTMLInputElement) {
          event.preventDefault();
          toggle();
        }
      }}
    >
      <button type="button" onClick={toggle}>{playing ? t.pause : t.play}</button>
      <label>
        {t.speed}{" "}
        <select value={speed} onChange={(event) => setSpeed(Number(event.target.value))}>
          {SPEEDS.map((each) => <option key={each} value={each}>{each}×</option>)}
        </select>
      </label>
      <input
        type="range"
        min={0}
        max={events.length}
        value={now}
        aria-label={t.place}
        aria-valuetext={t.of(now, events.length)}
        onChange={(event) => {
          setPlaying(false);
          setPlace(Number(event.target.value));
        }}
      />
      <span className="number">{t.of(now, events.length)}</span>
      {place !== null && (
        <button type="button" className="quiet" onClick={() => { setPlaying(false); setPlace(null); }}>{t.whole}</button>
      )}
    </div>
  );
}
