/* What a pointer adds to the charts: values, a closer look, smoothing, files. The page is whole without it. */
"use strict";
(() => {
const SVG = "http://www.w3.org/2000/svg", clip = (v, least, most) => Math.min(Math.max(v, least), most);
const make = (tag, kind = "", text = "") => Object.assign(document.createElement(tag), { className: kind, textContent: text });
const draw = (tag, attributes, text = "") => {
  const node = Object.assign(document.createElementNS(SVG, tag), { textContent: text });
  for (const name in attributes) node.setAttribute(name, attributes[name]);
  return node;
};
const steps = (text, at = 0) => text.split(" ").flatMap(part => {  // differences, d×n for n equal ones
  const [difference, count = 1] = part.split("x").map(Number);
  return Array.from({ length: count }, () => (at += difference));
});
const values = text => new Float64Array(Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer);
const short = v => !Number.isFinite(v) ? String(v).replace("Infinity", "∞")
  : v !== 0 && (Math.abs(v) >= 1e9 || Math.abs(v) < 1e-3) ? v.toExponential(2)
  : v.toLocaleString("en", { maximumSignificantDigits: 4 });
const whole = v => v.toLocaleString("en");

/* An axis from pixel `start` on, `length` long: place(value) → pixel, value(pixel), ticks(first, last). */
function axis(spelled, start, length) {
  const [kind, ...numbers] = spelled.split(" "), [low, high, c] = numbers.map(Number);
  const to = { linear: v => v, log: v => Math.log10(Math.max(v, low)),
    symlog: v => Math.sign(v) * Math.log10(1 + Math.abs(v) / c) }[kind];
  const from = { linear: u => u, log: u => 10 ** u, symlog: u => Math.sign(u) * c * (10 ** Math.abs(u) - 1) }[kind];
  const a = to(low), b = to(high);
  const round = (first, last) => {
    const size = 10 ** Math.floor(Math.log10((last - first) / 4));
    const step = [1, 2, 5, 10].map(m => m * size).find(s => (last - first) / s <= 5) || last - first;
    const begin = Math.ceil(first / step), count = Math.max(Math.floor(last / step) - begin + 1, 0);
    return Array.from({ length: count }, (_, k) => (begin + k) * step);
  };
  return {
    place: v => start + length * clip((to(clip(v, -1e200, 1e200)) - a) / (b - a), 0, 1),
    value: pixel => from(a + (b - a) * (pixel - start) / length),
    ticks: (first, last) => {
      const powers = Array.from({ length: 401 }, (_, k) => 10 ** (k - 200)).filter(p => kind === "log" || p >= c);
      const inside = [...powers.map(p => -p), 0, ...powers].filter(v => v >= first && v <= last);
      if (kind === "linear" || inside.length < 2) return round(first, last);
      return inside.filter((_, k) => k % Math.ceil(inside.length / 6) === 0);
    },
  };
}

function chart(plot, number) {
  const svg = plot.ownerSVGElement, [left, top, width, height] = plot.dataset.area.split(" ").map(Number);
  const right = left + width, bottom = top + height, wide = svg.viewBox.baseVal.width;
  const x = axis(plot.dataset.x, left, width), y = axis(plot.dataset.y, bottom, -height);
  const said = v => plot.dataset.unit === "%" ? `${short(100 * v)} %` : short(v);
  const lines = [...plot.querySelectorAll("[data-values]")].map(path => ({ path, kind: path.classList[0], look: path.getAttribute("class"),
    name: path.dataset.name, run: path.dataset.run || plot.dataset.run, steps: steps(path.dataset.steps), values: values(path.dataset.values) }));
  const subject = lines.find(line => line.kind === "main") || lines[0];
  const scales = svg.querySelector(".scales"), asWritten = [...scales.childNodes];
  const marks = [...svg.querySelectorAll(".alarm, .flag, .sync")].map(node => [node, node.getAttribute("d")]);
  const tip = make("div", "tip"), cursor = draw("g", { class: "cursor" });
  const pane = draw("g", {}), opening = draw("clipPath", { id: `opening-${number}` });
  let view = [left, right, top, bottom], smooth = 0, held = null, key = -1;
  const across = px => left + (px - view[0]) * width / (view[1] - view[0]);
  const down = py => top + (py - view[2]) * height / (view[3] - view[2]);
  const back = px => view[0] + (px - left) * (view[1] - view[0]) / width;
  opening.append(draw("rect", { x: left, y: top, width, height }));
  plot.replaceWith(pane);
  pane.append(plot);
  svg.append(opening, cursor);
  svg.after(tip);
  svg.parentElement.classList.add("live");
  svg.tabIndex = 0;
  tip.setAttribute("role", "status");
  function show(step) {  // the values of all lines at their points nearest to the subject's
    const nearest = (line, s) => line.steps.reduce((best, t, i) => Math.abs(t - s) < Math.abs(line.steps[best] - s) ? i : best, 0);
    const now = subject.steps[nearest(subject, step)], at = across(x.place(now)), share = 100 * at / wide;
    tip.replaceChildren(make("b", "", `${whole(now)} ${plot.dataset.stepsOf}`));
    cursor.replaceChildren(draw("line", { class: "axis", x1: at, x2: at, y1: top, y2: bottom }));
    for (const line of lines) {
      const i = nearest(line, now), when = line.steps[i] === now || line.kind === "bound" ? "" : ` at ${whole(line.steps[i])}`;
      tip.append(make("span", line.look, `${line.path.dataset.run || line.name}${when}: ${said(line.values[i])}`));
      const cx = across(x.place(line.steps[i])), cy = down(y.place(line.values[i]));
      const isSeen = Number.isFinite(line.values[i]) && cx >= left && cx <= right && cy >= top - 1 && cy <= bottom + 1;
      if (isSeen && line.kind !== "bound") cursor.append(draw("circle", { class: `here ${line.look}`, cx, cy, r: 3 }));
    }
    tip.hidden = false;
    [tip.style.left, tip.style.right] = share < 50 ? [`${share + 2}%`, ""] : ["", `${102 - share}%`];
  }
  function hide() { tip.hidden = true; cursor.replaceChildren(); }
  const path = (line, numbers) => line.steps.map((step, i) => {
    const isDot = line.kind === "dots" || line.steps.length === 1, isJoined = i && !isDot && Number.isFinite(numbers[i - 1]);
    const at = `${isJoined ? "L" : "M"}${x.place(step).toFixed(3)} ${y.place(numbers[i]).toFixed(3)}${isDot ? "h0" : ""}`;
    return Number.isFinite(numbers[i]) ? at : "";
  }).join("");
  function redraw() {  // m_t = Σ s^(t−k) v_k / Σ s^(t−k), over the points as drawn; behind it what it is the mean of
    for (const line of lines.filter(each => each.kind !== "edge")) {
      let sum = 0, weight = 0;
      const mean = v => (sum = smooth * sum + v) / (weight = smooth * weight + 1);
      const isSmoothed = smooth > 0 && (line.kind === "main" || line.kind === "quiet");
      line.ghost?.remove();
      if (isSmoothed) line.path.before(line.ghost = draw("path", { class: `ghost ${line.look}`, d: path(line, line.values) }));
      line.path.setAttribute("d", path(line, Array.from(line.values, v => isSmoothed && Number.isFinite(v) ? mean(v) : v)));
    }
  }
  function look(a, b) {  // from pixel a to b of the chart as written; of the values, at what lies between
    const isWhole = b - a >= width - 0.5;
    const seen = lines.flatMap(line => line.steps.flatMap((step, i) => x.place(step) >= a && x.place(step) <= b
      && Number.isFinite(line.values[i]) && line.kind !== "bound" ? [y.place(line.values[i])] : []));
    const [high, low] = [Math.min(...seen), Math.max(...seen)], air = Math.max(0.06 * (low - high), 0.1);
    view = [a, b, ...(isWhole || !seen.length ? [top, bottom] : [high - air, low + air])];
    const [sx, sy] = [width / (b - a), height / (view[3] - view[2])];
    plot.setAttribute("transform", `matrix(${sx} 0 0 ${sy} ${left - sx * a} ${top - sy * view[2]})`);
    svg.classList.toggle("zoomed", !isWhole);
    pane.setAttribute("clip-path", isWhole ? "none" : `url(#${opening.id})`);
    const moved = (_, px, rest) => across(+px) < left - 1 || across(+px) > right + 1 ? "" : `M${across(+px)}${rest}`;
    for (const [node, written] of marks) node.setAttribute("d", written.replace(/M([\d.]+)([^M]*)/g, moved));
    scales.replaceChildren(...(isWhole ? asWritten : frame()));
    hide();
  }
  function frame() {
    const stroke = (kind, x1, x2, y1, y2) => draw("line", { class: kind, x1, x2, y1, y2 });
    const word = (kind, x, y, v) => draw("text", { class: `tick ${kind}`, x, y }, v);
    const level = (v, py) => [stroke("grid", left, right, py, py), word("end", left - 6, py + 4, said(v))];
    const time = (v, px) => [stroke("axis", px, px, bottom, bottom + 4), word("mid", px, bottom + 18, short(v))];
    return [stroke("axis", left, right, bottom, bottom),
      ...y.ticks(y.value(view[3]), y.value(view[2])).flatMap(v => level(v, down(y.place(v)))),
      ...x.ticks(x.value(view[0]), x.value(view[1])).flatMap(v => time(v, across(x.place(v))))];
  }
  const pixel = (event, box = svg.getBoundingClientRect()) => clip((event.clientX - box.left) * wide / box.width, left, right);
  const on = (name, react) => svg.addEventListener(name, react);
  on("pointermove", event => {
    const at = pixel(event), select = { class: "select", x: Math.min(held, at), y: top, width: Math.abs(held - at), height };
    if (held === null) show(x.value(back(at))); else cursor.replaceChildren(draw("rect", select));
  });
  on("pointerdown", event => {
    if (event.button) return;
    hide();
    held = pixel(event);
    svg.setPointerCapture(event.pointerId);
  });
  on("pointerup", event => {
    const [a, b] = [held, pixel(event)].sort((p, q) => p - q);
    held = null;
    if (b - a < 5) return show(x.value(back(a)));
    redraw();
    look(back(a), back(b));
  });
  for (const name of ["pointercancel", "pointerleave"]) on(name, () => { held = null; hide(); });
  on("dblclick", () => look(left, right));
  on("keydown", event => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Escape") look(left, right);
    if (by) show(subject.steps[key = clip(key + by, 0, subject.steps.length - 1)]);
  });
  hide();
  return { svg, lines, hide, run: plot.dataset.run, smooth: share => { smooth = share; redraw(); } };
}

/* A name out of a run's files, in a cell of a table: quoted, and no spreadsheet takes it for a formula. */
const cell = text => `"${/^[=+\-@\t\r]/.test(text) ? "'" : ""}${text.replaceAll('"', '""')}"`;
const table = charts => ["run,series,step,value", ...charts.flatMap(({ lines }) => lines.flatMap(line =>
  line.steps.map((step, i) => `${cell(line.run)},${cell(line.name)},${step},${line.values[i]}`)))].join("\n") + "\n";

async function picture(title, charts) {  // the charts of a panel, three in a row, twice as fine as drawn
  const [width, height, columns] = [580, 252, Math.min(charts.length, 3)], canvas = make("canvas"), pen = canvas.getContext("2d");
  const style = document.querySelector("style").textContent, look = getComputedStyle(document.body);
  const inks = [...new Set(style.match(/--[a-z0-9-]+(?=:)/g))].map(ink => `${ink}:${look.getPropertyValue(ink)} !important`);
  [canvas.width, canvas.height] = [2 * width * columns, 2 * height * Math.ceil(charts.length / columns) + 60];
  const write = (text, font, left, y) => Object.assign(pen, { font, fillStyle: look.color }).fillText(text, left, y);
  pen.scale(2, 2);
  pen.fillStyle = look.backgroundColor;
  pen.fillRect(0, 0, canvas.width, canvas.height);
  write(title, "600 15px sans-serif", 10, 20);
  for (const [i, { svg, run, hide }] of charts.entries()) {
    hide();
    const copy = svg.cloneNode(true), image = new Image();
    const size = { xmlns: SVG, width: 570, height: 220, viewBox: "0 0 570 220" };  // with room for long labels
    Object.entries(size).forEach(each => copy.setAttribute(...each));
    copy.prepend(draw("style", {}, `${style} svg:root{${inks.join(";")}}`));
    image.src = `data:image/svg+xml,${encodeURIComponent(new XMLSerializer().serializeToString(copy))}`;
    await image.decode();
    const left = width * (i % columns), top = 30 + height * Math.floor(i / columns);
    write(run, "12px sans-serif", left + 10, top + 10);
    pen.drawImage(image, left, top + 16, 570, 220);
  }
  return canvas.toDataURL("image/png");
}

for (const [number, figure] of document.querySelectorAll("figure").entries()) {
  const plots = [...figure.querySelectorAll(".plot")].filter(plot => plot.querySelector("[data-values]"));
  if (!plots.length) continue;
  const charts = plots.map((plot, i) => chart(plot, `${number}-${i}`)), title = figure.querySelector("h3").textContent;
  const file = (kind, address) => Object.assign(make("button", "", kind), { onclick: async () => Object.assign(make("a"), {
    href: await address(), download: `${figure.id.replace("panel-", "")}.${kind.toLowerCase()}` }).click() });
  const slider = Object.assign(make("input"), { type: "range", min: 0, max: 0.98, step: 0.02, value: 0,
    oninput: () => charts.forEach(each => each.smooth(Number(slider.value))) });
  const tools = make("div", "tools"), label = make("label", "", "smooth ");
  label.append(slider);
  tools.append(label, file("CSV", () => URL.createObjectURL(new Blob([table(charts)], { type: "text/csv" }))),
    file("PNG", () => picture(title, charts)));
  figure.append(tools);
}
})();
