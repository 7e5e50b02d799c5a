// The clock of a replay: how many events have happened after some time at some speed.
import type { TaskEvent } from "./fold";

/** Pauses longer than this are shortened to it: a task may have waited for hours. */
export const LONGEST_PAUSE_S = 5;

/** When each event happens in a replay at speed 1, in seconds from the first. */
export function timeline(events: readonly TaskEvent[]): number[] {
  let now = 0;
  return events.map((event, i) => {
    const before = events[i - 1];
    if (before) now += Math.min(Math.max(event.at - before.at, 0), LONGEST_PAUSE_S);
    return now;
  });
}

/** How many events of a timeline have happened at a time. */
export function happened(times: readonly number[], time: number): number {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle]! <= time) low = middle + 1;
    else high = middle;
  }
  return low;
}
