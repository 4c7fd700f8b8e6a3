// Pages of what was: records before or after an id, or since a time. Each is one request that ends.

import { isFinal, refusal } from "./connection.js";
import { SERVER_EVENTS, byTime, rowOfNotice, rowOfRecord } from "./row.js";
import { SseParser } from "./sse.js";

/** @typedef {import("./row.js").Row} Row */
/**
 * @typedef {object} Page
 * @property {Row[]} rows in the order of their times
 * @property {number} records how many of them are records
 * @property {string} start where the page starts: what is older is before it
 * @property {string} end where it ends: what is newer is after it
 */

/** A request that the server refuses for good; the message is a sentence. */
export class Refused extends Error {}

/**
 * @param {URLSearchParams} filter
 * @param {Record<string, string>} where such as `{before: id, tail: "500"}`
 * @param {AbortSignal} signal
 * @param {(cursor: string) => void} [reached] told how far it is, while it goes on
 * @returns {Promise<Page>}
 */
export async function page(filter, where, signal, reached) {
  const parameters = new URLSearchParams(filter);
  for (const [name, value] of Object.entries({ ...where, follow: "false", data: "json" })) parameters.set(name, value);
  const url = new URL(`events?${parameters}`, document.baseURI);
  // Nothing else is said, so that it can be the request that the browser made before this code was here.
  const answer = await fetch(url, { signal });
  const empty = { rows: [], records: 0, start: where.after ?? "", end: where.after ?? "" };
  if (answer.status === 204) return empty;
  if (isFinal(answer.status)) throw new Refused(await refusal(answer));
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  return pageOf(answer, empty, reached);
}

/** @param {Response} answer @param {Page} page @param {(cursor: string) => void} [reached] */
async function pageOf(answer, page, reached) {
  const parser = new SseParser();
  page.start = "";
  const take = (/** @type {import("./sse.js").SseEvent} */ event) => {
    if (event.event === "busy") throw new Error("busy");
    if (event.event === "hello") page.start = event.id;
    page.end = event.id || page.end;
    if (!SERVER_EVENTS.has(event.event)) {
      page.rows.push(rowOfRecord(event.data, event.id));
      page.records++;
    } else if (event.event === "gap") page.rows.push(/** @type {Row} */ (rowOfNotice("gap", event.data, event.id)));
  };
  const reader = reached && answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  if (!reader) parser.push(await answer.text(), take);
  for (let part = await reader?.read(); part?.value !== undefined; part = await reader?.read()) {
    parser.push(part.value, take);
    reached?.(page.end);
  }
  // An agent that ends meanwhile says nothing more, and no answer that is whole is empty.
  if (!page.start) throw new Error("cut");
  return { ...page, rows: page.rows.length > 1 ? byTime(page.rows) : page.rows };
}
