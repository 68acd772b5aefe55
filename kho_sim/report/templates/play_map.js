"use strict";
// Draws memory of one step on canvases, and finds the mark under a pointer.
// Layers are ranges in delta code (see kho_sim/report/ranges.py); they are decoded when first drawn.
const KIND = {
  free: "any early allocation", kept_off: "kept off", extended: "extended scratch",
  scratch: "original scratch", preserved: "preserved", tree: "tree page", busy: "busy block",
  reserved: "reserved", taken: "early allocation",
};
const TERM = { scratch: "scratch", extended: "extended", preserved: "preserved", tree: "tree page",
  busy: "busy block", reserved: "reserved region", kept_off: "scratch-only" };
const LANES = [
  { name: "memory", label: "memory, by what early boot may do with it", height: 26 },
  { name: "handed", label: "handed over", height: 20 },
  { name: "taken", label: "early allocations, by caller", height: 24 },
  { name: "reserved", label: "reserved in memblock", height: 9 },
];
const LABEL = 15, AXIS = 30, PAD = 8, NEAR = 4;
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

function sizeText(bytes) {
  let power = 0, value = bytes;
  while (power < UNITS.length - 1 && Number(value.toFixed(2)) >= 1024) { value /= 1024; power += 1; }
  return `${power ? String(Number(value.toFixed(2))) : bytes} ${UNITS[power]}`;
}
const hex = address => `0x${address.toString(16)}`;
const count = value => value.toLocaleString("en");

class Layer {
  constructor(coded) {
    const length = coded.delta.length / 2;
    this.starts = new Float64Array(length);
    this.ends = new Float64Array(length);
    let at = 0;
    for (let i = 0; i < length; i += 1) {
      this.starts[i] = at += coded.delta[2 * i] * coded.unit;
      this.ends[i] = at += coded.delta[2 * i + 1] * coded.unit;
    }
    Object.assign(this, { length, coded });
  }
  bytes(i) { return this.coded.bytes ? this.coded.bytes[i] * this.coded.unit : this.ends[i] - this.starts[i]; }
  count(i) { return this.coded.counts ? this.coded.counts[i] : 1; }
  total() {
    if (this.sum === undefined) {
      this.sum = 0;
      for (let i = 0; i < this.length; i += 1) this.sum += this.bytes(i);
    }
    return this.sum;
  }
  item(i) { const { item } = this.coded; return Array.isArray(item) ? item[i] : item; }
  // The first range that ends behind an address.
  from(address) { return d3.bisector(end => end).right(this.ends, address); }
  near(low, high) {
    const found = [];
    for (let i = this.from(low); i < this.length && this.starts[i] < high; i += 1) found.push(i);
    return found;
  }
}

// Addresses to places from 0 to 1: in proportion where there is memory, large holes cut short.
class Axis {
  constructor(data) {
    this.scale = d3.scaleLinear().domain(data.addresses).range(data.places);
    this.addresses = data.addresses;
    this.first = data.addresses[0];
    this.end = data.addresses[data.addresses.length - 1];
    this.share = (data.places[1] - data.places[0]) / (data.addresses[1] - data.addresses[0]);
  }
  ticks(low, high, most) {
    const step = 2 ** Math.max(Math.ceil(Math.log2((high - low) / most)), 0);
    const ticks = [];
    for (let i = 0; i < this.addresses.length; i += 2) {
      const from = Math.max(this.addresses[i], low), to = Math.min(this.addresses[i + 1], high);
      if (from < to && from >= low) ticks.push(i || from > 2 ** 20 ? from : 0);
      for (let at = Math.ceil(from / step) * step; at <= to && ticks.length < 200; at += step) ticks.push(at);
    }
    return [...new Set(ticks)].sort((a, b) => a - b);
  }
}

class MemoryMap {
  // One canvas: a chain's memory at a step. `zoom()` gives the transform that all maps share.
  constructor(holder, title, axis, nodes, zoom) {
    this.figure = holder.append("figure");
    this.caption = this.figure.append("figcaption").text(title);
    this.canvas = this.figure.append("canvas").attr("tabindex", 0).attr("role", "img").node();
    Object.assign(this, { axis, nodes, zoom, title, lanes: [], chosen: null });
  }
  get width() { return this.canvas.clientWidth; }
  height() {
    return LANES.reduce((sum, lane) => sum + lane.height + LABEL, 0) + AXIS + (this.nodes.length > 1 ? LABEL : 0);
  }
  x(address) { return this.zoom().applyX(this.axis.scale(address) * (this.width - 2 * PAD) + PAD); }
  address(x) { return this.axis.scale.invert((this.zoom().invertX(x) - PAD) / (this.width - 2 * PAD)); }
  // lanes: lane name -> [{kind, name, layer, colour}], later ones above earlier ones.
  show(lanes, chosen) { this.lanes = lanes; this.chosen = chosen; this.draw(); }

  draw() {
    const ratio = window.devicePixelRatio || 1, width = this.width, height = this.height();
    this.canvas.style.height = `${height}px`;
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
    }
    const pen = this.canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    const look = getComputedStyle(this.canvas);
    const faint = look.getPropertyValue("--faint"), text = look.getPropertyValue("--text");
    pen.font = "11px system-ui, 'DejaVu Sans', sans-serif";
    pen.textBaseline = "middle";
    this.tops = {};
    let y = 0;
    for (const lane of LANES) {
      pen.fillStyle = faint;
      pen.textAlign = "left";
      pen.fillText(lane.label, PAD, y + LABEL / 2 + 1);
      y += LABEL;
      this.tops[lane.name] = y;
      pen.fillStyle = look.getPropertyValue("--lane");
      pen.fillRect(PAD, y, width - 2 * PAD, lane.height);
      for (const marks of this.lanes[lane.name] || []) this.drawMarks(pen, marks, y, lane.height, look);
      y += lane.height;
    }
    this.drawNodes(pen, y, width, faint);
    this.drawAxis(pen, y, width, faint);
    if (this.chosen) this.outline(pen, text, y);
  }

  drawMarks(pen, marks, y, height, look) {
    const { layer } = marks, right = this.width - PAD, ratio = window.devicePixelRatio || 1;
    const least = marks.kind === "free" || marks.kind === "extended" ? 0.5 : 1.5;
    const low = this.address(PAD), high = this.address(right);
    pen.fillStyle = marks.colour || look.getPropertyValue(`--${marks.kind}`);
    let drawn = -Infinity;
    for (let i = layer.from(low); i < layer.length && layer.starts[i] <= high; i += 1) {
      let from = this.x(layer.starts[i]), to = this.x(layer.ends[i]);
      if (to <= drawn) continue;
      if (to - from < least) { from = (from + to - least) / 2; to = from + least; }
      const fill = layer.bytes(i) / (layer.ends[i] - layer.starts[i]);
      pen.globalAlpha = (marks.faint ? 0.12 : 1) * (fill < 1 ? Math.max(fill, 0.4) : 1);
      // On whole pixels of the screen, so that neighbours leave no seam.
      from = Math.round(Math.max(from, PAD, drawn) * ratio) / ratio;
      to = Math.max(Math.round(Math.min(to, right) * ratio) / ratio, from + 1 / ratio);
      if (to > from) pen.fillRect(from, y, to - from, height);
      drawn = Math.max(drawn, to);
    }
    pen.globalAlpha = 1;
  }

  drawAxis(pen, y, width, faint) {
    pen.strokeStyle = pen.fillStyle = faint;
    const low = this.address(PAD), high = this.address(width - PAD);
    let free = -Infinity;
    for (const address of this.axis.ticks(low, high, Math.max(width / 110, 2))) {
      const x = this.x(Math.max(address, this.axis.first)), label = high - low < 2 ** 21 ? hex(address) : tickText(address);
      const wide = pen.measureText(label).width;
      const from = Math.min(Math.max(x - wide / 2, PAD), width - PAD - wide);
      if (x < PAD - 1 || x > width - PAD + 1 || from < free + 10) continue;
      pen.fillRect(x - 0.5, y + 4, 1, 5);
      pen.textAlign = "left";
      pen.fillText(label, from, y + 18);
      free = from + wide;
    }
    for (let i = 1; i + 1 < this.axis.addresses.length; i += 2) {
      const x = (this.x(this.axis.addresses[i]) + this.x(this.axis.addresses[i + 1])) / 2;
      if (x > PAD && x < width - PAD) pen.fillText("⌇", x - 2, y + 2);
    }
  }

  // Where a node begins, if there are several.
  drawNodes(pen, bottom, width, faint) {
    if (this.nodes.length < 2) return;
    pen.fillStyle = pen.strokeStyle = faint;
    pen.textAlign = "left";
    let free = 0;
    for (const [nid, layer] of this.nodes) {
      const x = Math.max(this.x(layer.starts[0]), PAD), end = this.x(layer.ends[layer.length - 1]);
      if (x > width - PAD || end < PAD) continue;
      const label = `node ${nid}`, wide = pen.measureText(label).width;
      pen.fillRect(x, LABEL - 3, 1, bottom - LABEL + 3);
      if (x > free + 6 && x + wide < width) { pen.fillText(label, x, bottom + AXIS + 2); free = x + wide; }
    }
  }

  outline(pen, colour, bottom) {
    const from = Math.max(this.x(this.chosen.start), PAD), to = Math.min(this.x(this.chosen.end), this.width - PAD);
    if (to < PAD || from > this.width - PAD) return;
    pen.strokeStyle = colour;
    pen.setLineDash([3, 2]);
    pen.strokeRect(from - 1, LABEL - 2, Math.max(to - from, 1) + 2, bottom - LABEL + 4);
    pen.setLineDash([]);
  }

  // The uppermost mark at a place of the canvas, with some pixels around it for fingers.
  at(x, y) {
    const lane = LANES.find(one => y >= this.tops[one.name] - 6 && y < this.tops[one.name] + one.height + 6);
    if (!lane) return null;
    const exact = this.address(x);
    for (const near of [0, NEAR]) {
      const low = this.address(x - near), high = this.address(x + near);
      for (const marks of [...(this.lanes[lane.name] || [])].reverse()) {
        if (marks.faint) continue;
        const found = marks.layer.near(low, Math.max(high, low + 1));
        if (!found.length) continue;
        const distance = i => Math.max(marks.layer.starts[i] - exact, exact - marks.layer.ends[i], 0);
        const i = found[d3.minIndex(found, distance)];
        return { ...marks, i, start: marks.layer.starts[i], end: marks.layer.ends[i], lane: lane.name };
      }
    }
    return null;
  }
}

function tickText(address) {
  if (!address) return "0";
  let power = 0, value = address;
  while (power < UNITS.length - 1 && value >= 1024 && (value / 1024) % 0.25 === 0) { value /= 1024; power += 1; }
  return value < 100000 && power ? `${Number(value.toFixed(2))} ${UNITS[power]}` : sizeText(address);
}
