// Draw the plots in the colours of the page, and again when these change.

const HUES = 8;
const drawn = new Map();

// Custom properties may hold light-dark(): only a real property of an element tells the colour in force.
function colours(names) {
  const probe = document.body.appendChild(make('span', { hidden: '' }));
  const found = names.map((name) => {
    probe.className = `probe ${name}`;
    return getComputedStyle(probe).color;
  });
  probe.remove();
  return found;
}

function plotTheme() {
  const [ink, muted, line] = colours(['ink', 'muted', 'line']);
  const category = colours(Array.from({ length: HUES }, (_, index) => `hue${index}`));
  const font = getComputedStyle(document.body).fontFamily;
  return {
    background: null,
    font,
    range: { category },
    view: { stroke: null },
    axis: {
      labelColor: muted, titleColor: muted, gridColor: line, domainColor: line, tickColor: line,
      labelFontSize: 12, titleFontSize: 12, titleFontWeight: 'normal', titlePadding: 10, labelPadding: 6,
      tickSize: 0, domain: false,
    },
    axisY: { labelColor: ink },
    text: { color: ink, fontSize: 12, fontWeight: 600 },
    style: { quiet: { stroke: muted, color: muted } },
  };
}

async function draw(element) {
  drawn.get(element)?.finalize();
  const { spec } = vegaLite.compile(facts.plots[element.dataset.plot], { config: plotTheme() });
  // With the syntax tree and the interpreter no text becomes code, so that the page's policy can forbid it.
  const runtime = vega.parse(spec, null, { ast: true });
  const options = { renderer: 'svg', container: element, hover: true, expr: vega.expressionInterpreter };
  const view = new vega.View(runtime, options);
  drawn.set(element, view);
  if (element.dataset.plot === 'steps') {
    view.addEventListener('click', (event, item) => {
      if (item?.datum?.system) showOnly({ steps: item.datum.label });
    });
  }
  await view.runAsync();
}

const drawAll = () => document.querySelectorAll('[data-plot]').forEach(draw);

function setUpPlots() {
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const root = document.documentElement;
  byId('theme').addEventListener('click', () => {
    const now = root.dataset.theme ?? (dark.matches ? 'dark' : 'light');
    root.dataset.theme = now === 'dark' ? 'light' : 'dark';
    drawAll();
  });
  dark.addEventListener('change', drawAll);
  byId('cost-choice')?.addEventListener('change', (event) => {
    const element = document.querySelector('#cost [data-plot]');
    element.dataset.plot = event.target.value;
    draw(element);
  });
  drawAll();
}
