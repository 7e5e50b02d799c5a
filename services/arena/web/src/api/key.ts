// The key that the server may want: kept in memory, and in the tab's session storage where that was asked for.
const STORED = "steering-arena-key";

type Asking = { wrong: boolean; given: (key: string) => void; refused: () => void };

let key: string | null = readStored();
let asking: { promise: Promise<string>; listening: Asking } | null = null;
const listeners = new Set<() => void>();

function readStored(): string | null {
  try {
    return sessionStorage.getItem(STORED);
  } catch {
    return null; // storage may be switched off
  }
}

function tell(): void {
  for (const listener of listeners) listener();
}

export const subscribe = (listener: () => void): (() => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};
export const currentKey = (): string | null => key;
export const currentAsking = (): Asking | null => asking?.listening ?? null;

export function useKey(given: string, keep: boolean): void {
  key = given;
  try {
    if (keep) sessionStorage.setItem(STORED, given);
    else sessionStorage.removeItem(STORED);
  } catch {
    // it is kept in memory then
  }
  asking?.listening.given(given);
  asking = null;
  tell();
}

export function forgetKey(): void {
  key = null;
  try {
    sessionStorage.removeItem(STORED);
  } catch {
    // there was none
  }
  tell();
}

export class NoKey extends Error {}

/** Asks the person for a key: one question at a time, whoever needs it. Rejects with NoKey when it is dismissed. */
export function askForKey(wrong: boolean): Promise<string> {
  if (asking) return asking.promise;
  let listening!: Asking;
  const promise = new Promise<string>((resolve, reject) => {
    listening = { wrong, given: resolve, refused: () => reject(new NoKey()) };
  });
  asking = { promise, listening };
  tell();
  return promise;
}

export function dismiss(): void {
  asking?.listening.refused();
  asking = null;
  tell();
}
