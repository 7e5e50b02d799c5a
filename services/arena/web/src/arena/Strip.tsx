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
  const bar = Math.max(step - (step > 3 ? 1 : 0), 1);
  // Where several tokens share a pixel, the one that is furthest from the baseline is drawn.
  const together = Math.max(1, Math.floor(1 / step));
  for (let from = 0; from < tokens.length; from += together) {
    let bits = 0;
    let along = 0;
    for (let i = from; i < Math.min(from + together, tokens.length); i++) {
      bits = Math.max(bits, tokens[i]!.divergence ?? 0);
      along = Math.max(along, Math.abs(tokens[i]!.projection ?? 0));
    }
    const height = (bits / Math.max(most, column.mostBits, 1e-9)) * (UP - 2);
    pen.fillStyle = ink;
    pen.fillRect(from * step, UP - height, bar, height);
    if (along) {
      pen.fillStyle = soft;
      pen.fillRect(from * step, UP + 1, bar, (along / column.furthest) * (DOWN - 2));
    }
  }
  if (chosen !== null) {
    pen.fillStyle = accent;
    pen.fillRect(chosen * step + bar / 2 - 1, 0, 2, UP + DOWN);
  }
}
