// A column's text, token by token: tinted by how far each place is from the baseline. Only the lines that can be
// seen are in the page. Arrow keys go from token to token.
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useMemo, useRef, useState, type KeyboardEvent, type ReactElement } from "react";
import { texts } from "../texts";
import { Layout, measuring } from "./lines";
import type { Column } from "./run";

const LEVELS = [0.05, 0.25, 0.75, 1.5, 3];
/** Bits as one of six tints. */
export const level = (bits: number): number => LEVELS.filter((least) => bits >= least).length;

type Props = { name: string; column: Column; version: number; chosen: number | null; choose: (token: number | null) => void };

export function TokenText({ name, column, version, chosen, choose }: Props): ReactElement {
  const box = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const [style, setStyle] = useState<{ width: number; font: string; height: number } | null>(null);
  useEffect(() => {
    const element = box.current!;
    const look = (): void => {
      const found = getComputedStyle(element);
      const padding = parseFloat(found.paddingLeft) + parseFloat(found.paddingRight);
      setStyle({ width: element.clientWidth - padding - 2, font: `${found.fontSize} ${found.fontFamily}`, height: parseFloat(found.lineHeight) });
    };
    const seen = new ResizeObserver(look);
    seen.observe(element);
    return () => seen.disconnect();
  }, []);
  const layout = useMemo(() => (style ? new Layout(style.width, measuring(style.font)) : null), [style?.width, style?.font, column]);
  // The layout grows with the column, whose version says that it has.
  const lines = useMemo(() => layout?.extend(column.texts).lines ?? [], [layout, version]);
  const virtual = useVirtualizer({
    count: lines.length, getScrollElement: () => box.current, estimateSize: () => style?.height ?? 20, overscan: 6, paddingEnd: 4,
  });
  useEffect(() => virtual.measure(), [style?.height]);
  useEffect(() => {
    if (box.current && atEnd.current && !column.ended) box.current.scrollTop = box.current.scrollHeight;
  }, [lines.length, version]);

  const move = (event: KeyboardEvent): void => {
    const last = column.tokens.length - 1;
    const from = chosen ?? -1;
    const to = { ArrowRight: from + 1, ArrowLeft: from - 1, Home: 0, End: last }[event.key];
    if (to === undefined || last < 0) return;
    event.preventDefault();
    const next = Math.min(Math.max(to, 0), last);
    choose(next);
    if (layout) virtual.scrollToIndex(layout.lineOf(next));
  };
  return (
    <div
      ref={box}
      className="tokens"
      tabIndex={0}
      role="group"
      aria-label={texts.arena.column(name, column.tokens.length)}
      onKeyDown={move}
      onBlur={() => choose(null)}
      onScroll={({ currentTarget: at }) => {
        atEnd.current = at.scrollHeight - at.scrollTop - at.clientHeight < 30;
      }}
      onPointerOver={(event) => {
        const token = (event.target as HTMLElement).dataset["token"];
        if (token !== undefined) choose(Number(token));
      }}
      onPointerLeave={() => choose(null)}
    >
      <div className="laid" style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map((item) => (
          <div key={item.index} className="token-line" style={{ transform: `translateY(${item.start}px)` }}>
            {(lines[item.index] ?? []).map((piece, i) => (
              <span
                key={i}
                data-token={piece.token}
                className={`k${level(column.tokens[piece.token]?.divergence ?? 0)}${piece.token === chosen ? " chosen" : ""}`}
              >
                {piece.text}
              </span>
            ))}
          </div>
        ))}
      </div>
    </div>
  );
}
