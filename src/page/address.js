// What the page's address says, and commands and links that say the same elsewhere. Pure.

import { TIME_MODES } from "./time.js";

/**
 * @typedef {object} Address
 * @property {string} find what is in the box
 * @property {boolean} highlight whether words only mark lines
 * @property {string} at the id of the row to stand at, or ""
 * @property {import("./time.js").TimeMode} time
 * @property {boolean} wrap
 * @property {boolean} embed without chrome
 */

/** @param {string} search @returns {Address} */
export function read(search) {
  const given = new URLSearchParams(search);
  const time = /** @type {any} */ (given.get("time"));
  return {
    find: given.get("q") ?? "",
    highlight: given.get("mode") === "highlight",
    at: given.get("at") ?? "",
    time: TIME_MODES.includes(time) ? time : "local",
    wrap: given.has("wrap"),
    embed: given.has("embed"),
  };
}

/** @param {Address} address @returns {string} `?q=…`, or "" */
export function write(address) {
  const given = new URLSearchParams();
  if (address.find) given.set("q", address.find);
  if (address.highlight) given.set("mode", "highlight");
  if (address.at) given.set("at", address.at);
  if (address.time !== "local") given.set("time", address.time);
  if (address.wrap) given.set("wrap", "1");
  if (address.embed) given.set("embed", "1");
  const text = given.toString();
  return text ? `?${text}` : "";
}

/**
 * The command that shows in a shell what the page shows.
 * @param {string} base the address of the server, with a slash at the end
 * @param {URLSearchParams} filter
 * @param {Record<string, string>} where it starts
 * @param {boolean} token whether the server asks for one: the page does not know it
 */
export function curl(base, filter, where, token) {
  const parameters = new URLSearchParams(filter);
  for (const [name, value] of Object.entries(where)) parameters.set(name, value);
  // `+` for a space is right in a query; everything else that a shell knows is encoded but the quote.
  const query = parameters.toString().replaceAll("'", "%27");
  return `curl -N ${token ? '-H "Authorization: Bearer $SIDETAIL_TOKEN" ' : ""}'${base}tail${query ? `?${query}` : ""}'`;
}
