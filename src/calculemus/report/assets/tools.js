// Small tools that every part uses. Text enters the page only as text nodes and attributes, never as HTML.

const facts = JSON.parse(document.getElementById('facts').textContent);
const byId = (id) => document.getElementById(id);

// Make an element: attributes by name, functions as listeners, children as nodes or text.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name, value);
    else if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

// Show control characters by their pictures, so that none is lost or acts.
function visible(text) {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, (c) =>
    c === '\u007f' ? '\u2421' : String.fromCharCode(0x2400 + c.charCodeAt(0)));
}

const count = (number) => number.toLocaleString('en-US');

// Write an amount with three figures, from ten thousand on with the prefix of its power of a thousand.
function amount(value) {
  if (Math.abs(value) < 9999.5) return Math.abs(value) >= 100 ? count(Math.round(value)) : String(+value.toPrecision(3));
  const power = Math.min(Math.floor(Math.log10(Math.abs(+value.toPrecision(3))) / 3), 5);
  return `${+(value / 1000 ** power).toPrecision(3)}\u202f${' kMGTP'[power]}`;
}

const OUTCOMES = {
  c: { word: 'correct', sign: '✓' },
  w: { word: 'wrong', sign: '✕' },
  u: { word: 'unparsed', sign: '?' },
  e: { word: 'error', sign: '!' },
  m: { word: 'partly correct', sign: '◐' },
  '-': { word: 'no sample', sign: '·' },
};
const hue = (system) => `hue${system % 8}`;
const place = Object.fromEntries(facts.systems.map((system, index) => [system.letter, index]));

function chip(system) {
  return make('span', { class: `chip ${hue(system)}`, 'aria-hidden': 'true' }, facts.systems[system].letter);
}
