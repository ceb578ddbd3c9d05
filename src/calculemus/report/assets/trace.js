// How a system got to its response: what it was asked first, and the nodes of its trace.

const FEW = 3; // nodes that are shown without a click
const DEEPEST = 6; // steps of indentation; deeper nodes stand under each other

function factText(value) {
  if (typeof value === 'number' && !Number.isInteger(value)) return String(+value.toPrecision(3));
  return visible(typeof value === 'string' ? value : JSON.stringify(value));
}

// A status other than ok is shown as what it is: a program that failed.
function nodeFacts(facts) {
  const shown = Object.entries(facts).filter(([name, value]) => !(name === 'status' && value === 'ok'));
  return shown.map(([name, value]) => value === true
    ? make('span', { class: 'tag' }, name.replaceAll('_', ' '))
    : make('span', {}, `${name.replaceAll('_', ' ')} `, make('bdi', {}, factText(value))));
}

function nodeView([kind, text, parents, about], number, depth) {
  const failed = about.status !== undefined && about.status !== 'ok';
  const isCode = kind === 'code' || kind === 'output';
  const before = parents.length && !(parents.length === 1 && parents[0] === number - 1)
    ? make('span', { class: 'quiet' }, `after ${parents.join(', ')}`) : null;
  const element = make('li', { class: `node${isCode ? ' program' : ''}${failed ? ' failed' : ''}`, 'data-testid': 'node' },
    make('header', {}, make('b', {}, `${number} · ${kind}`), before, ...nodeFacts(about)),
    // The blanks before the first line of a program are its indentation.
    textBlock(isCode ? text.replace(/^\n+|\s+$/g, '') : text.trim(), 'node-text'));
  element.style.setProperty('--depth', String(Math.min(depth, DEEPEST)));
  return element;
}

// A chain is not indented; where a node has several children, these are.
function depths(trace) {
  const children = trace.map(() => 0);
  trace.forEach(([, , parents]) => parents.forEach((parent) => { children[parent] += 1; }));
  const found = [];
  trace.forEach(([, , [parent]], number) => {
    found[number] = parent === undefined ? 0 : found[parent] + (children[parent] > 1 ? 1 : 0);
  });
  return found;
}

function traceView(trace) {
  if (!trace.length) return null;
  const deep = depths(trace);
  const title = `Trace, ${count(trace.length)} ${trace.length > 1 ? 'steps' : 'step'}`;
  const list = make('ol', { class: 'trace' });
  const fold = make('details', { 'data-testid': 'trace' }, make('summary', {}, title), list);
  // A search over many samples has thousands of nodes: they are made when they are looked at.
  const fill = () => list.childElementCount
    || list.append(...trace.map((node, number) => nodeView(node, number, deep[number])));
  fold.addEventListener('toggle', fill);
  if (trace.length <= FEW) {
    fill();
    fold.open = true;
  }
  return fold;
}

function promptView(prompt) {
  if (prompt === null || prompt === undefined) return null;
  return make('details', { class: 'prompt', 'data-testid': 'prompt' },
    make('summary', {}, 'First prompt'), textBlock(prompt, 'prompt-text'));
}

function costView(cost) {
  const known = Object.entries(facts.costs).filter(([name]) => cost[name]);
  if (!known.length) return null;
  return make('dl', { class: 'meta cost', 'data-testid': 'cost' },
    ...known.map(([name, title]) => fact(title, amount(cost[name]), name)));
}
