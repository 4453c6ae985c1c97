// Charts of the last hour. Their numbers stand in the tables beside them, for who cannot see them.
"use strict";

(() => {
  const charts = {};
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function data() {
    const hour = document.getElementById("hour");
    return hour ? JSON.parse(hour.dataset.charts) : null;
  }

  function axes(unit) {
    const colour = style("--faint");
    const grid = { stroke: style("--edge"), width: 1 };
    const font = "12px system-ui, sans-serif";
    const clock = (time) => new Date(1000 * time).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });
    return [
      { stroke: colour, font, grid: { show: false }, ticks: grid, values: (_, times) => times.map(clock), space: 60, size: 26 },
      { stroke: colour, font, grid, ticks: { show: false }, size: 54, space: 26, values: (_, all) => all.map((value) => unit(value)) },
    ];
  }

  function options(element, series, unit, top, begins) {
    return {
      width: element.clientWidth,
      height: element.clientHeight,
      legend: { show: false },
      cursor: { show: false },
      padding: [6, 18, 0, 0],
      scales: { x: { range: () => [begins, begins + 3600] }, y: { range: (_, low, high) => [0, Math.max(top, high || 0)] } },
      axes: axes(unit),
      series: [{}, ...series],
    };
  }

  // The topmost of a stack is drawn first, those below over it.
  function stacked(bands) {
    const sums = [];
    let below = new Array(bands.length ? bands[0].counts.length : 0).fill(0);
    for (const band of bands) {
      below = below.map((sum, place) => sum + band.counts[place]);
      sums.unshift({ colour: band.colour, values: below });
    }
    return sums;
  }

  function draw(id, series, values, unit, top) {
    const element = document.getElementById(id);
    if (!element || !element.clientWidth) return;
    if (charts[id]) charts[id].destroy();
    element.replaceChildren();
    charts[id] = new uPlot(options(element, series, unit, top, values[0][0]), values, element);
  }

  function show() {
    const hour = data();
    if (!hour) return;
    const count = (value) => (Number.isInteger(value) ? value : "");
    const times = hour.latency.middle.map((_, place) => hour.begins + 60 * place);
    for (const [id, bands] of [["chart-bins", hour.bins], ["chart-reasons", hour.reasons]]) {
      const bars = uPlot.paths.bars({ size: [0.86, 100], align: 1 });
      const sums = stacked(bands);
      const series = sums.map((sum) => ({ fill: style(`--series-${sum.colour}`), width: 0, paths: bars, points: { show: false } }));
      if (sums.length) draw(id, series, [times, ...sums.map((sum) => sum.values)], count, 4);
    }
    const line = (colour, width) => ({ stroke: style(colour), width, spanGaps: false, points: { show: true, size: 3 } });
    draw("chart-latency", [line("--series-1", 2), line("--series-aside", 1)],
      [times, hour.latency.middle, hour.latency.longest], (value) => `${value} ms`, 50);
  }

  show();
  document.addEventListener("htmx:after:swap", (event) => {
    const from = event.detail.ctx && event.detail.ctx.sourceElement;
    if (from && from.id === "hour") show();
  });
  new ResizeObserver(show).observe(document.querySelector(".line-side"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
})();
