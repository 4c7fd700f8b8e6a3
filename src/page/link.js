// The page's way to a hub: in a SharedWorker, else in a Worker of its own, else in the page itself.

import { Hub } from "./hub.js";

/** @typedef {import("./hub.js").Port} Port */

/** @param {() => void} failed called if it turns out that it can't be had @returns {Port} */
export function connect(failed) {
  const options = /** @type {WorkerOptions} */ ({ type: "module", name: "sidetail" });
  const { SharedWorker, Worker } = /** @type {any} */ (globalThis);
  try {
    const worker = SharedWorker ? new SharedWorker(import.meta.url, options) : new Worker(import.meta.url, options);
    worker.onerror = failed;
    const port = worker.port ?? worker;
    holdLock().then((lock) => port.postMessage({ type: "lock", lock }));
    return port;
  } catch {
    // Some browsers have none, or do not let them run.
    return here();
  }
}

/** A hub in the page itself. @returns {Port} */
export function here() {
  const channel = new MessageChannel();
  new Hub(true).join(channel.port1);
  return channel.port2;
}

/** Holds a lock until the page is gone, so that the hub notices. @returns {Promise<string>} its name, or "" */
async function holdLock() {
  if (!navigator.locks) return "";
  const name = `sidetail-${crypto.getRandomValues(new Uint32Array(4)).join("-")}`;
  await new Promise((held) => {
    navigator.locks.request(name, () => {
      held(null);
      return new Promise(() => {});
    });
  });
  return name;
}
