// What the server says, for a component: once, or again and again while the page can be seen.
import { useCallback, useEffect, useRef, useState } from "react";
import { said } from "../api/client";

export type Asked<T> = { value: T | null; error: string | null; again: () => void };

/** Asks when `key` changes, and every `everyMs` where that is given. */
export function useAsked<T>(load: () => Promise<T>, key: string, everyMs?: number): Asked<T> {
  const [found, setFound] = useState<{ key: string; value: T | null; error: string | null }>({
    key,
    value: null,
    error: null,
  });
  const loading = useRef(load);
  loading.current = load;
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    let left = false;
    const once = async (): Promise<void> => {
      if (document.hidden && everyMs) return;
      try {
        const value = await loading.current();
        if (!left) setFound({ key, value, error: null });
      } catch (error) {
        if (!left) setFound((before) => ({ key, value: before.key === key ? before.value : null, error: said(error) }));
      }
    };
    void once();
    const timer = everyMs ? setInterval(() => void once(), everyMs) : undefined;
    return () => {
      left = true;
      clearInterval(timer);
    };
  }, [key, everyMs, turn]);
  const again = useCallback(() => setTurn((before) => before + 1), []);
  return found.key === key ? { value: found.value, error: found.error, again } : { value: null, error: null, again };
}

/** Does something that the server may refuse: whether it is under way, and what it was refused with. */
export function useDoing(): { busy: boolean; error: string | null; run: (work: () => Promise<void>) => Promise<void>; clear: () => void } {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const run = useCallback(async (work: () => Promise<void>) => {
    setBusy(true);
    setError(null);
    try {
      await work();
    } catch (caught) {
      setError(said(caught));
    } finally {
      setBusy(false);
    }
  }, []);
  return { busy, error, run, clear: () => setError(null) };
}
