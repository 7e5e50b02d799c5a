// Lays tokens out in lines of a width, so that of a long text only the lines that can be seen are made.
export type Piece = { token: number; text: string };
export type Line = Piece[];

/** Breaks tokens into lines as they come: what was laid out before is never looked at again. */
export class Layout {
  readonly lines: Line[] = [[]];
  private used = 0;
  /** Where the last word of the line begins, and how wide it is: it moves to the next line as a whole. */
  private word = { at: 0, width: 0 };
  private count = 0;
  private readonly starts: number[] = [];

  constructor(
    private readonly width: number,
    private readonly measure: (text: string) => number,
  ) {}

  /** Lays out the tokens from where the last call ended. */
  extend(texts: readonly string[]): this {
    for (; this.count < texts.length; this.count++) this.place(this.count, texts[this.count]!);
    return this;
  }

  private place(token: number, text: string): void {
    const parts = text.split("\n");
    this.starts[token] = this.lines.length - 1;
    parts.forEach((part, i) => {
      if (i > 0) this.newLine();
      if (part) this.put({ token, text: part });
      else if (i === 0 && parts.length > 1) this.lines.at(-1)!.push({ token, text: "⏎" });
    });
  }

  private put(piece: Piece): void {
    let width = this.measure(piece.text);
    if (width > this.width && piece.text.length > 1) {
      this.cut(piece);
      return;
    }
    const number = this.lines.length - 1;
    const line = this.lines[number]!;
    if (/^\s/.test(piece.text)) this.word = { at: line.length, width: 0 };
    if (this.used + width > this.width && line.length) {
      const moved = this.word.at > 0 && this.word.width + width <= this.width ? line.splice(this.word.at) : [];
      let carried = moved.length ? this.word.width : 0;
      this.newLine();
      // The blank at which a line is broken is not shown.
      const opening = moved[0] ?? piece;
      const bare = { ...opening, text: opening.text.replace(/^ /, "") };
      const spared = this.measure(opening.text) - this.measure(bare.text);
      if (moved.length) {
        moved[0] = bare;
        carried -= spared;
      } else {
        piece = bare;
        width -= spared;
      }
      this.lines.at(-1)!.push(...moved);
      for (const each of [...moved, piece]) if (this.starts[each.token] === number) this.starts[each.token] = number + 1;
      this.used = carried;
      this.word.width = carried;
    }
    this.lines.at(-1)!.push(piece);
    this.used += width;
    this.word.width += width;
  }

  /** A single token that is wider than a line. */
  private cut(piece: Piece): void {
    let fits = piece.text.length;
    while (fits > 1 && this.measure(piece.text.slice(0, fits)) > this.width) fits = Math.ceil(fits / 2) === fits ? fits - 1 : Math.ceil(fits / 2);
    this.put({ ...piece, text: piece.text.slice(0, fits) });
    this.put({ ...piece, text: piece.text.slice(fits) });
  }

  private newLine(): void {
    this.lines.push([]);
    this.used = 0;
    this.word = { at: 0, width: 0 };
  }

  /** The line in which a token begins. */
  lineOf(token: number): number {
    return this.starts[token] ?? 0;
  }
}

const widths = new Map<string, Map<string, number>>();
let context: CanvasRenderingContext2D | null = null;

/** Measures text in a font; each text once. */
export function measuring(font: string): (text: string) => number {
  const known = widths.get(font) ?? new Map<string, number>();
  widths.set(font, known);
  return (text) => {
    let width = known.get(text);
    if (width === undefined) {
      context ??= document.createElement("canvas").getContext("2d")!;
      context.font = font;
      width = context.measureText(text.replaceAll("\t", "    ")).width;
      known.set(text, width);
    }
    return width;
  };
}
