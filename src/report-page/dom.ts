/**
 * The page's scripts share one scope, in the order of `scripts/report-page.mjs`. Text only ever becomes text
 * nodes: nothing that a row holds is read as HTML.
 */
type ReportJob = import('./shape.js').ReportJob;
type ReportRow = import('./shape.js').ReportRow;
type ReportEnd = import('./shape.js').ReportEnd;
type RowStatus = import('./shape.js').RowStatus;

type Child = Node | string;

/** An element of the page's own HTML. */
function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

/** A new element with text or elements in it. */
function make(tag: string, attributes: Record<string, string> = {}, ...children: Child[]) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** The same for drawings. */
function draw(tag: string, attributes: Record<string, string | number>, ...children: Child[]) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

function onClick(id: string, act: () => void): void {
  byId(id).addEventListener('click', act);
}
