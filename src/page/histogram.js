// How many rows came when, and how grave they were. Draws bars, and says in words what they show.

import { ERROR, WARN } from "./row.js";

/** @typedef {import("./row.js").Row} Row */
/**
 * @typedef {object} Buckets
 * @property {number} from in milliseconds since 1970
 * @property {number} step how long a bucket is, in milliseconds
 * @property {Uint32Array} all rows of any level
 * @property {Uint32Array} warn
 * @property {Uint32Array} error
 */

/** Lengths that a bucket may have, in seconds. */
const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400];

/** @param {number} ms the whole time @param {number} buckets how many there may be @returns {number} a round length, in milliseconds */
export function stepFor(ms, buckets) {
  return 1000 * (STEPS.find((step) => step * 1000 * buckets >= ms) ?? Math.ceil(ms / buckets / 86_400_000) * 86_400);
}

/**
 * @param {{first: number, end: number, get: (number: number) => Row | undefined}} rows
 * @param {number} buckets how many there may be
 * @returns {Buckets | null} nothing where no row has a time
 */
export function countTimes(rows, buckets) {
  let [low, high] = [Infinity, -Infinity];
  for (let number = rows.first; number < rows.end; number++) {
    const { time } = /** @type {Row} */ (rows.get(number));
    if (time < low) low = time;
    if (time > high) high = time;
  }
  if (low > high) return null;
  const step = stepFor(Math.max(1, high - low), buckets - 1);
  const from = Math.floor(low / step) * step;
  const [all, warn, error] = [0, 1, 2].map(() => new Uint32Array(Math.floor((high - from) / step) + 1));
  for (let number = rows.first; number < rows.end; number++) {
    const { time, level, part } = /** @type {Row} */ (rows.get(number));
    if (Number.isNaN(time) || part > 0) continue;
    const at = Math.floor((time - from) / step);
    all[at]++;
    if (level >= ERROR) error[at]++;
    else if (level >= WARN) warn[at]++;
  }
  return { from, step, all, warn, error };
}

/**
 * The first row that is not older than a time; the last one if all are.
 * @param {{first: number, end: number, get: (number: number) => Row | undefined}} rows
 * @param {number} time
 */
export function rowAt(rows, time) {
  for (let number = rows.first; number < rows.end; number++) {
    if (/** @type {Row} */ (rows.get(number)).time >= time) return number;
  }
  return rows.end - 1;
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Buckets} buckets
 * @param {{plain: string, warn: string, error: string, view: string}} colours
 * @param {[number, number] | null} view what is in view, as times
 * @param {[number, number] | null} chosen what is being chosen, as times
 */
export function draw(canvas, buckets, colours, view, chosen) {
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const scale = globalThis.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  canvas.width = width * scale;
  canvas.height = height * scale;
  context.scale(scale, scale);
  const bar = width / buckets.all.length;
  const x = (/** @type {number} */ time) => Math.min(width, Math.max(0, ((time - buckets.from) / buckets.step) * bar));
  for (const range of [view, chosen]) {
    if (!range) continue;
    context.fillStyle = colours.view;
    context.fillRect(x(range[0]), 0, Math.max(3, x(range[1]) - x(range[0])), height);
  }
  const most = buckets.all.reduce((most, count) => Math.max(most, count), 1);
  buckets.all.forEach((all, at) => {
    let top = height;
    const part = (/** @type {number} */ rows, /** @type {string} */ colour) => {
      if (rows === 0) return;
      const high = Math.max(1, (rows / most) * (height - 3));
      top -= high;
      context.fillStyle = colour;
      context.fillRect(at * bar, top, Math.max(1, bar - (bar > 3 ? 1 : 0)), high);
    };
    part(buckets.error[at], colours.error);
    part(buckets.warn[at], colours.warn);
    part(all - buckets.warn[at] - buckets.error[at], colours.plain);
  });
}

/** @param {Uint32Array} counts @returns {number} */
export function sum(counts) {
  return counts.reduce((sum, count) => sum + count, 0);
}
