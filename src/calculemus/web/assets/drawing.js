// Draw the plots of a page in its colours, and again when these change. No text becomes code: the page forbids it.

const specs = JSON.parse(document.getElementById('plots').textContent);
const views = new Map();

// Custom properties may hold light-dark(): only a real property of an element tells the colour in force.
function colours(names) {
  const probe = document.body.appendChild(document.createElement('span'));
  probe.hidden = true;
  const found = names.map((name) => {
    probe.className = `probe ${name}`;
    return getComputedStyle(probe).color;
  });
  probe.remove();
  return found;
}

function plotTheme() {
  const [ink, muted, line] = colours(['ink', 'muted', 'line']);
  const category = colours(Array.from({ length: 8 }, (_, index) => `hue${index}`));
  return {
    background: null,
    font: getComputedStyle(document.body).fontFamily,
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

// On a phone the letter of a run and the start of its name leave room for the figures.
function fitting(drawn, width) {
  const copy = structuredClone(drawn);
  for (const layer of copy.layer ?? []) {
    if (width < 480 && layer.encoding?.y?.axis?.labelLimit) layer.encoding.y.axis.labelLimit = width / 4;
  }
  return copy;
}

async function draw(element) {
  views.get(element)?.finalize();
  const drawn = fitting(specs[element.dataset.plot], element.clientWidth);
  const { spec } = vegaLite.compile(drawn, { config: plotTheme() });
  const runtime = vega.parse(spec, null, { ast: true });
  const view = new vega.View(runtime, { renderer: 'svg', container: element, hover: true, expr: vega.expressionInterpreter });
  views.set(element, view);
  await view.runAsync();
}

const drawAll = () => document.querySelectorAll('[data-plot]').forEach(draw);
document.addEventListener('themechange', drawAll);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawAll);
document.getElementById('cost-choice')?.addEventListener('change', (event) => {
  const element = document.getElementById(event.target.dataset.for);
  element.dataset.plot = event.target.value;
  draw(element);
});
drawAll();
