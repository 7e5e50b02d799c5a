// One bar a token: how many bits it is from the baseline, and below it how far the residual went along the vector.
import { useEffect, useRef, type ReactElement } from "react";
import { texts } from "../texts";
import type { Column } from "./run";

const UP = 26;
const DOWN = 14;
type Props = { name: string; column: Column; version: number; most: number; chosen: number | null; choose: (token: number | null) => void };

export function Strip({ name, column, version, most, chosen, choose }: Props): ReactElement {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const element = canvas.current;
    if (element) draw(element, column, most, chosen);
  }, [column, version, most, chosen]);
  useEffect(() => {
    const element = canvas.current!;
    const again = (): void => draw(element, column, most, chosen);
    const seen = new ResizeObserver(again);
    seen.observe(element);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", again);
    const theme = new MutationObserver(again);
    theme.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    return () => {
      seen.disconnect();
      theme.disconnect();
      dark.removeEventListener("change", again);
    };
  }, [column, most]);
  return (
    <canvas
      ref={canvas}
      className="strip"
      role="img"
      aria-label={texts.arena.strip(name, column.mostBits.toFixed(2))}
      onPointerMove={(event) => {
        const at = event.currentTarget.getBoundingClientRect();
        const place = Math.floor(((event.clientX - at.left) / at.width) * Math.max(column.tokens.length, 1));
        choose(place >= 0 && place < column.tokens.length ? place : null);
      }}
      onPointerLeave={() => choose(null)}
    />
  );
}

function draw(element: HTMLCanvasElement, column: Column, most: number, chosen: number | null): void {
  const scale = window.devicePixelRatio || 1;
  const width = element.clientWidth;
  element.width = Math.round(width * scale);
  element.height = Math.round((UP + DOWN) * scale);
  const pen = element.getContext("2d")!;
  pen.scale(scale, scale);
  const colours = getComputedStyle(element);
  const [ink, line, soft, accent] = ["--own", "--line", "--soft", "--accent"].map((name) => colours.getPropertyValue(name)) as [string, string, string, string];
  pen.fillStyle = line;
  pen.fillRect(0, UP, width, 1);
  const tokens = column.tokens;
  if (!tokens.length) return;
  const step = width / tokens.length;
  const bar = Math.max(step - (step > 3 ? 1 : 0), 0.5);
  const furthest = tokens.reduce((found, token) => Math.max(found, Math.abs(token.projection ?? 0)), 1e-9);
  tokens.forEach((token, i) => {
    const height = (token.divergence / Math.max(most, 1e-9)) * (UP - 2);
    pen.fillStyle = i === chosen ? accent : ink;
    pen.fillRect(i * step, UP - height, bar, height);
    if (token.projection != null) {
      pen.fillStyle = i === chosen ? accent : soft;
      pen.fillRect(i * step, UP + 1, bar, (Math.abs(token.projection) / furthest) * (DOWN - 2));
    }
  });
  if (chosen !== null) {
    pen.fillStyle = accent;
    pen.fillRect(chosen * step + bar / 2, 0, 1, UP + DOWN);
  }
}
