// Runs a hub away from the page: as a SharedWorker for all tabs, or as a Worker for one.

import { Hub } from "./hub.js";

/** @param {any} scope the worker's own */
export function work(scope) {
  const isShared = "onconnect" in scope;
  const hub = new Hub(!isShared);
  if (isShared) scope.onconnect = (/** @type {MessageEvent} */ event) => hub.join(event.ports[0]);
  else hub.join(scope);
}
