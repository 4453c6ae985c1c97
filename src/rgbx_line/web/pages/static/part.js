// Both images of a part: zoomed, moved and turned together about the same place of the device, the radiograph windowed
// from its 16 bits, heat maps over them.
"use strict";

(() => {
  const canvases = [...document.querySelectorAll(".viewer-canvas")];
  if (!canvases.length) return;
  const LEAST_ZOOM = 0.05;
  const MOST_ZOOM = 40;
  const AROUND = 1.12; // how much more than the device is seen at 100 %
  const element = (id) => document.getElementById(id);
  const level = element("window-level");
  const width = element("window-width");
  const invert = element("window-invert");
  const strength = element("heat-strength");
  const iteration = element("heat-iteration");
  const upright = element("upright");
  // What is in the middle of each canvas, in 0..1 of the device, and how large it is.
  const view = { u: 0.5, v: 0.5, zoom: 1 };
  const viewers = canvases.map((canvas) => ({ canvas, image: null, heats: [] }));
  let waiting = false;

  // Where the device is in an image: from (u, v) in 0..1 of the upright device to pixels of the whole image.
  function placed(viewer) {
    const { place, shape, full } = viewer;
    if (!place) return { xu: full.width, xv: 0, x0: 0, yu: 0, yv: full.height, y0: 0 };
    const [high, wide] = shape;
    const [a, b, c, d, e, f] = place;
    // Middles of pixels are half a pixel from their corners.
    return { xu: a * wide, xv: b * high, x0: c + 0.5 - (a + b) / 2, yu: d * wide, yv: e * high, y0: f + 0.5 - (d + e) / 2 };
  }

  // How an image is turned, and how many pixels of the canvas one of the whole image is at 100 %.
  function turned(viewer) {
    const at = placed(viewer);
    const { canvas } = viewer;
    const across = Math.hypot(at.xu, at.yu);
    const down = Math.hypot(at.xv, at.yv);
    if (upright && upright.checked && viewer.place) {
      const fit = Math.min(canvas.width / across, canvas.height / down) / AROUND;
      return { at, fit, xx: at.xu / across, xy: at.yu / across, yx: at.xv / down, yy: at.yv / down };
    }
    const wide = Math.abs(at.xu) + Math.abs(at.xv);
    const high = Math.abs(at.yu) + Math.abs(at.yv);
    const fit = Math.min(canvas.width / wide, canvas.height / high) / (viewer.place ? AROUND : 1);
    return { at, fit, xx: 1, xy: 0, yx: 0, yy: 1 };
  }

  function middle(at) {
    return [at.xu * view.u + at.xv * view.v + at.x0, at.yu * view.u + at.yv * view.v + at.y0];
  }

  function lookAt(at, x, y) {
    const determinant = at.xu * at.yv - at.xv * at.yu;
    view.u = (at.yv * (x - at.x0) - at.xv * (y - at.y0)) / determinant;
    view.v = (at.xu * (y - at.y0) - at.yu * (x - at.x0)) / determinant;
    view.u = Math.min(3, Math.max(-2, view.u));
    view.v = Math.min(3, Math.max(-2, view.v));
  }

  // From a step on the canvas to one in pixels of the whole image.
  function step(turn, right, down) {
    const scale = view.zoom * turn.fit;
    return [(turn.xx * right + turn.yx * down) / scale, (turn.xy * right + turn.yy * down) / scale];
  }

  function draw() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      viewers.forEach(drawOne);
      element("zoom-said").textContent = `${Math.round(100 * view.zoom)} %`;
    });
  }

  function drawOne(viewer) {
    const { canvas, image, heats, full } = viewer;
    const density = window.devicePixelRatio || 1;
    const wide = Math.round(canvas.clientWidth * density);
    const high = Math.round(canvas.clientHeight * density);
    if (canvas.width !== wide || canvas.height !== high) { canvas.width = wide; canvas.height = high; }
    const context = canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, wide, high);
    if (!image) return;
    const turn = turned(viewer);
    const scale = view.zoom * turn.fit;
    const [x, y] = middle(turn.at);
    const [xx, xy, yx, yy] = [turn.xx, turn.xy, turn.yx, turn.yy].map((each) => scale * each);
    context.setTransform(xx, yx, xy, yy, wide / 2 - xx * x - xy * y, high / 2 - yx * x - yy * y);
    context.imageSmoothingEnabled = scale * full.width < 3 * image.width;
    context.imageSmoothingQuality = "high";
    context.drawImage(image, 0, 0, full.width, full.height);
    const heat = heats[iteration ? Number(iteration.value) : 0];
    if (heat && strength && heat.complete && heat.naturalWidth) {
      context.globalAlpha = Number(strength.value) / 100;
      context.imageSmoothingEnabled = true;
      context.drawImage(heat, 0, 0, full.width, full.height);
      context.globalAlpha = 1;
    }
  }

  function zoom(factor, viewer, event) {
    const after = Math.min(MOST_ZOOM, Math.max(LEAST_ZOOM, view.zoom * factor));
    if (viewer && viewer.image && event) { // what is under the pointer stays there
      const box = viewer.canvas.getBoundingClientRect();
      const density = viewer.canvas.width / box.width;
      const turn = turned(viewer);
      const [x, y] = middle(turn.at);
      const [right, down] = step(turn, (event.clientX - box.left - box.width / 2) * density,
        (event.clientY - box.top - box.height / 2) * density);
      const less = 1 - view.zoom / after;
      lookAt(turn.at, x + less * right, y + less * down);
    }
    view.zoom = after;
    draw();
  }

  function move(viewer, right, down) {
    if (!viewer.image) return;
    const density = viewer.canvas.width / viewer.canvas.clientWidth;
    const turn = turned(viewer);
    const [x, y] = middle(turn.at);
    const by = step(turn, right * density, down * density);
    lookAt(turn.at, x - by[0], y - by[1]);
    draw();
  }

  function fit() {
    Object.assign(view, { u: 0.5, v: 0.5, zoom: 1 });
    draw();
  }

  // All of every image: the device stays in the middle.
  function showAll() {
    fit();
    for (const viewer of viewers.filter((each) => each.image)) {
      const turn = turned(viewer);
      const [x, y] = middle(turn.at);
      const { full, canvas } = viewer;
      for (const [px, py] of [[0, 0], [full.width, 0], [0, full.height], [full.width, full.height]]) {
        const right = Math.abs(turn.xx * (px - x) + turn.xy * (py - y)) * turn.fit;
        const down = Math.abs(turn.yx * (px - x) + turn.yy * (py - y)) * turn.fit;
        view.zoom = Math.min(view.zoom, canvas.width / 2 / right, canvas.height / 2 / down);
      }
    }
    view.zoom = Math.max(LEAST_ZOOM, view.zoom);
  }

  for (const viewer of viewers) {
    const { canvas } = viewer;
    const held = new Map();
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), viewer, event);
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      held.set(event.pointerId, event);
      canvas.classList.add("is-held");
    });
    canvas.addEventListener("pointermove", (event) => {
      const last = held.get(event.pointerId);
      if (!last) return;
      if (held.size === 1 && event.buttons === 2 && viewer.raw) {
        windowBy(event.clientX - last.clientX, event.clientY - last.clientY);
      } else if (held.size === 2) {
        const other = [...held.values()].find((each) => each.pointerId !== event.pointerId);
        const before = Math.hypot(last.clientX - other.clientX, last.clientY - other.clientY);
        const after = Math.hypot(event.clientX - other.clientX, event.clientY - other.clientY);
        if (before > 0) zoom(after / before, viewer, event);
      } else {
        move(viewer, event.clientX - last.clientX, event.clientY - last.clientY);
      }
      held.set(event.pointerId, event);
    });
    for (const name of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(name, (event) => {
        held.delete(event.pointerId);
        if (!held.size) canvas.classList.remove("is-held");
      });
    }
    canvas.addEventListener("contextmenu", (event) => { if (viewer.raw) event.preventDefault(); });
    canvas.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] };
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (steps[event.key]) move(viewer, ...steps[event.key]);
      else if (event.key === "+" || event.key === "=") zoom(1.25);
      else if (event.key === "-") zoom(0.8);
      else if (event.key === "0") fit();
      else return;
      event.preventDefault();
    });
    load(viewer);
  }

  async function load(viewer) {
    const { canvas } = viewer;
    const numbers = (text) => (text ? text.split(" ").map(Number) : null);
    viewer.place = numbers(canvas.dataset.place);
    viewer.shape = numbers(canvas.dataset.shape);
    viewer.heats = (canvas.dataset.heats || "").split(" ").filter(Boolean).map((address) => {
      const heat = new Image();
      heat.addEventListener("load", draw);
      heat.src = address;
      return heat;
    });
    try {
      const reply = await fetch(canvas.dataset.image);
      if (!reply.ok) {
        const refused = await reply.json().catch(() => ({}));
        throw Object.assign(new Error("refused"), { said: refused.error });
      }
      const said = (name) => Number(reply.headers.get(name));
      viewer.full = { width: said("X-Full-Width"), height: said("X-Full-Height") };
      if (canvas.dataset.modality === "xray") unpack(viewer, await reply.arrayBuffer(), said);
      else viewer.image = await createImageBitmap(await reply.blob());
      canvas.dataset.loaded = "yes";
      draw();
    } catch (error) {
      const gone = document.createElement("p");
      gone.className = "viewer-gone";
      gone.setAttribute("role", "alert");
      gone.textContent = `This image cannot be shown. ${error.said || ""}`;
      canvas.replaceWith(gone);
    }
  }

  // A canvas has 8 bits: the radiograph comes with 16, and what of them is seen is the window's choice.
  function unpack(viewer, bytes, said) {
    const numbers = new DataView(bytes);
    const raw = new Uint16Array(bytes.byteLength / 2);
    for (let place = 0; place < raw.length; place += 1) raw[place] = numbers.getUint16(2 * place, true);
    const shown = document.createElement("canvas");
    shown.width = said("X-Width");
    shown.height = said("X-Height");
    viewer.image = shown;
    viewer.raw = { raw, low: said("X-Low"), high: said("X-High") };
    if (viewer.full.width !== shown.width) {
      const note = element("viewer-note");
      note.textContent = `The radiograph of ${viewer.full.width} × ${viewer.full.height} pixels is shown with ` +
        `${shown.width} × ${shown.height}.`;
      note.hidden = false;
    }
    resetWindow();
  }

  function windowed() { return viewers.find((viewer) => viewer.raw); }

  function resetWindow() {
    const { low, high } = windowed().raw;
    level.value = (low + high) / 2;
    width.value = Math.max(64, high - low);
    invert.checked = false;
    showWindow();
  }

  function windowBy(right, down) {
    width.value = Number(width.value) * Math.exp(0.005 * right);
    level.value = Number(level.value) + down * Number(width.value) / 400;
    showWindow();
  }

  function showWindow() {
    const viewer = windowed();
    if (!viewer) return;
    const { raw } = viewer.raw;
    const range = Number(width.value);
    const low = Number(level.value) - range / 2;
    const table = new Uint8ClampedArray(65536);
    for (let value = 0; value < 65536; value += 1) {
      const grey = Math.min(255, Math.max(0, 255 * (value - low) / range));
      table[value] = invert.checked ? 255 - grey : grey;
    }
    const context = viewer.image.getContext("2d");
    const pixels = context.createImageData(viewer.image.width, viewer.image.height);
    const words = new Uint32Array(pixels.data.buffer);
    for (let place = 0; place < raw.length; place += 1) words[place] = 0xff000000 | table[raw[place]] * 0x010101;
    context.putImageData(pixels, 0, 0);
    draw();
  }

  element("zoom-in").addEventListener("click", () => zoom(1.5));
  element("zoom-out").addEventListener("click", () => zoom(1 / 1.5));
  element("zoom-fit").addEventListener("click", fit);
  element("zoom-all").addEventListener("click", showAll);
  if (level) {
    for (const control of [level, width, invert]) control.addEventListener("input", showWindow);
    element("window-reset").addEventListener("click", () => windowed() && resetWindow());
  }
  for (const control of [strength, iteration, upright]) if (control) control.addEventListener("input", draw);
  window.addEventListener("resize", draw);
  new ResizeObserver(draw).observe(element("viewers"));
})();
