// Put the parts together: plots at once, the list when all data have arrived.

function setUpPairs() {
  const about = byId('pair');
  let chosen = null;
  document.querySelectorAll('.cell').forEach((cell) => cell.addEventListener('click', () => {
    chosen?.removeAttribute('aria-pressed');
    chosen = cell;
    cell.setAttribute('aria-pressed', 'true');
    about.hidden = false;
    about.querySelector('p').textContent = cell.dataset.about;
  }));
  about?.querySelector('button').addEventListener('click', () =>
    showOnly({ x: chosen.dataset.x, relation: 'differ', y: chosen.dataset.y }));
}

function setUpPatterns() {
  document.querySelectorAll('.pattern').forEach((line) =>
    line.addEventListener('click', () => showOnly({ pattern: line.dataset.pattern })));
}

async function goToAddress() {
  const { some, problem } = readAddress();
  Object.assign(filters, some);
  startSearch();
  const position = problem === null ? -1 : index.ids.indexOf(problem);
  if (position >= 0) await openProblem(position);
}

function setUpKeys() {
  document.addEventListener('keydown', (event) => {
    if (event.key !== '/' || event.target.matches('input, select, textarea') || byId('detail').open) return;
    event.preventDefault();
    byId('search').focus();
  });
}

async function start() {
  if (typeof DecompressionStream === 'undefined') {
    byId('count').textContent = 'This browser cannot unpack the problems; one of 2023 or later can.';
    return;
  }
  await readIndex();
  setUpFilters();
  setUpList();
  setUpDetail();
  setUpPairs();
  setUpPatterns();
  setUpKeys();
  await goToAddress();
  // An address without '=' names a section of the page.
  addEventListener('hashchange', () => (!location.hash || location.hash.includes('=')) && goToAddress());
  document.documentElement.dataset.ready = 'true';
}

setUpPlots();
document.addEventListener('DOMContentLoaded', start);
