// Lines of a Blob in pieces, each with a limit, so that a large file is never in memory as a whole.

const PIECE_BYTES = 1 << 20;

/**
 * The lines of a file, many at a time: arrays of `{bytes, offset, broken}`. `broken` is null for a whole line, else
 * "cut" (the file ends within it) or "long"; nothing follows a broken line. `progress` is told how many bytes were read.
 */
export async function* linesOf(blob, bytesMax, progress = () => {}) {
  let rest = new Uint8Array(0);
  let offset = 0;
  for (let from = 0; from < blob.size; from += PIECE_BYTES) {
    const piece = new Uint8Array(await blob.slice(from, from + PIECE_BYTES).arrayBuffer());
    const held = new Uint8Array(rest.length + piece.length);
    held.set(rest);
    held.set(piece, rest.length);
    const lines = [];
    let start = 0;
    for (let end; (end = held.indexOf(10, start)) >= 0; start = end + 1) {
      const long = end - start > bytesMax;
      lines.push({ bytes: held.subarray(start, end), offset: offset + start, broken: long ? "long" : null });
      if (long) {
        yield lines;
        return;
      }
    }
    rest = held.slice(start);
    offset += start;
    if (rest.length > bytesMax) lines.push({ bytes: rest, offset, broken: "long" });
    progress(piece.length);
    if (lines.length > 0) yield lines;
    if (rest.length > bytesMax) return;
  }
  if (rest.length > 0) yield [{ bytes: rest, offset, broken: "cut" }];
}

/** Lets the page breathe: resolves at once, or after the browser had a turn where `SLICE_MS` are over. */
export class Pace {
  constructor() {
    this.since = performance.now();
  }

  async breathe() {
    if (performance.now() - this.since < SLICE_MS) return;
    await new Promise((resume) => setTimeout(resume, 0));
    this.since = performance.now();
  }
}

const SLICE_MS = 40;
