"use strict";
// Plays a chain: sliders over boots and steps, the maps, the lists and what is said of a step.
(() => {
  const source = document.getElementById("play-data");
  if (!source) return;
  const data = JSON.parse(source.textContent);
  const axis = new Axis(data);
  const layers = [];
  const layer = number => layers[number] ||= new Layer(data.layers[number]);
  const byId = id => document.getElementById(`play-${id}`);
  const empty = new Layer({ unit: 1, delta: [] });
  const nodes = Object.entries(data.nodes).map(([nid, number]) => [nid, layer(number)]);
  const MOST_ROWS = 200, CALLERS_NAMED = 6;
  const state = { boot: 0, step: 0, transform: d3.zoomIdentity, chosen: null, caller: null, timer: null };
  document.getElementById("player").hidden = false;

  // What a boot and step are in each chain

  const sidesOf = boot => data.boots[boot].sides;
  const stepsOf = boot => {
    const lists = sidesOf(boot).filter(Boolean).map(side => side.steps.map(step => step.name));
    return lists.sort((a, b) => b.length - a.length)[0];
  };
  const ORDER = ["before", "walk", "digest", "marks", "early", "scratch", "retrieve"];
  // A chain that has no such step stays where the one before it left it.
  function stepIn(side, name) {
    if (!side) return null;
    const past = side.steps.filter(step => ORDER.indexOf(step.name) <= ORDER.indexOf(name));
    return past[past.length - 1] || side.steps[0];
  }
  const headingOf = (boot, name) =>
    sidesOf(boot).flatMap(side => side ? side.steps : []).find(step => step.name === name).heading;
  const colourOf = caller => data.colours[caller];

  function lanesOf(side, name) {
    const step = stepIn(side, name);
    if (!step) return {};
    const reached = ORDER.indexOf(name), at = ORDER.indexOf(step.name);
    const mark = (kind, number) => ({ kind, name: KIND[kind], layer: layer(number), faint: state.caller !== null });
    const handed = [];
    const extends_ = side.steps.some(one => one.name === "walk");
    const walked = extends_ ? "walk" : "retrieve";
    if (extends_ && at >= ORDER.indexOf("digest")) handed.push(mark("busy", side.busy));
    if (at >= ORDER.indexOf(walked)) handed.push(mark("preserved", side.preserved), mark("tree", side.tree));
    const taken = [];
    for (const one of side.steps) {
      const gone = one.name === "digest" && reached > ORDER.indexOf("marks");
      if (ORDER.indexOf(one.name) > at || gone) continue;
      for (const [caller, , bytes, , , number] of one.callers) {
        if (!bytes) continue;
        taken.push({ kind: "taken", name: data.callers[caller], caller, layer: layer(number),
          colour: colourOf(caller), faint: state.caller !== null && state.caller !== caller });
      }
    }
    taken.sort((a, b) => a.faint === b.faint ? b.layer.total() - a.layer.total() : b.faint - a.faint);
    return {
      memory: Object.entries(step.memory).map(([kind, number]) => mark(kind, number)),
      handed, taken,
      reserved: step.reserved === null ? [] : [mark("reserved", step.reserved)],
    };
  }

  // The maps

  const holder = d3.select(byId("maps"));
  const maps = data.sides.map(title => new MemoryMap(holder, title, axis, nodes, () => state.transform));
  const most = Math.max(1, 1 / (axis.share * 65536));
  const zoom = d3.zoom().scaleExtent([1, most])
    .filter(event => event.type === "wheel" ? event.ctrlKey || event.metaKey
      // One finger scrolls the page, and moves the map once that is zoomed.
      : event.type === "touchstart" ? event.touches.length > 1 || state.transform.k > 1 : !event.button)
    .on("zoom", event => { state.transform = event.transform; hideTip(); redraw(); });
  holder.call(zoom);
  function resize() {
    const width = maps[0].width;
    zoom.extent([[PAD, 0], [width - PAD, 1]]).translateExtent([[PAD, 0], [width - PAD, 1]]);
    holder.call(zoom.transform, state.transform);
  }
  let waiting = false;
  function redraw() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      maps.forEach(map => map.draw());
      const low = maps[0].address(PAD), high = maps[0].address(maps[0].width - PAD);
      byId("window").textContent = state.transform.k > 1.001
        ? `${hex(Math.floor(low))} to ${hex(Math.ceil(high))}, ${sizeText(Math.round(high - low))}` : "all memory";
    });
  }
  function zoomTo(start, end) {
    const inner = maps[0].width - 2 * PAD;
    const from = axis.scale(start) * inner + PAD, to = axis.scale(end) * inner + PAD;
    const k = Math.max(1, Math.min(most, inner * 0.7 / Math.max(to - from, 1e-9)));
    const moved = d3.zoomIdentity.translate(maps[0].width / 2 - k * (from + to) / 2, 0).scale(k);
    const quiet = matchMedia("(prefers-reduced-motion: reduce)").matches;
    holder.transition().duration(quiet ? 0 : 500).call(zoom.transform, moved);
  }
  const blockAt = (side, address) => {
    const size = (side && side.block) || 0;
    if (!size) return null;
    const start = Math.floor(address / size) * size;
    return [start, start + size];
  };

  // What is under the pointer

  const tip = byId("tip");
  const nodeOf = address => {
    if (nodes.length < 2) return "";
    const found = nodes.find(([, one]) => one.near(address, address + 1).length);
    return found ? `, node ${found[0]}` : "";
  };
  function words(mark) {
    const { layer: one, i } = mark, several = one.count(i), item = one.item(i);
    const size = mark.end - mark.start, bytes = one.bytes(i);
    const lines = [`${mark.name}: ${sizeText(bytes)}`, `${hex(mark.start)} to ${hex(mark.end)}${nodeOf(mark.start)}`];
    if (item && bytes > item) lines.push(`${count(Math.round(bytes / item))} x ${sizeText(item)}`);
    if (several > 1) lines.push(`${count(several)} ranges in ${sizeText(size)}, too close to be shown apart`);
    return lines;
  }
  function hideTip() { tip.hidden = true; }
  function showTip(event, mark) {
    if (!mark) return hideTip();
    tip.replaceChildren(...words(mark).map(line => Object.assign(document.createElement("div"), { textContent: line })));
    tip.hidden = false;
    const { clientWidth } = document.documentElement;
    tip.style.left = `${Math.max(4, Math.min(event.clientX + 12, clientWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${event.clientY + (event.clientY > innerHeight - 110 ? -tip.offsetHeight - 12 : 18)}px`;
  }
  function button(text, act) {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.addEventListener("click", act);
    return made;
  }
  function choose(mark, side) {
    state.chosen = mark && { start: mark.start, end: mark.end };
    const panel = byId("mark");
    panel.replaceChildren();
    if (mark) {
      const said = document.createElement("p");
      said.textContent = words(mark).join(" · ");
      panel.append(said, button("zoom to it", () => zoomTo(mark.start, mark.end)));
      const block = blockAt(sidesOf(state.boot)[side], mark.start);
      if (block) panel.append(button(`zoom to its block of ${sizeText(block[1] - block[0])}`, () => zoomTo(...block)));
      if (mark.kind === "taken") panel.append(button(`only ${mark.name}`, () => only(mark.caller)));
      const around = maps[side].lanes.memory && maps[side].at(maps[side].x((mark.start + mark.end) / 2), maps[side].tops.memory + 1);
      if (around && mark.lane !== "memory") panel.append(button(`zoom to the region (${around.name})`, () => zoomTo(around.start, around.end)));
    }
    if (!mark && state.caller === null) panel.textContent = "Click or tap a mark to read and to zoom.";
    if (mark || state.caller !== null) panel.append(button("let go", () => { state.caller = null; choose(null); show(); }));
    maps.forEach(map => { map.chosen = state.chosen; });
    redraw();
  }
  function only(caller) {
    state.caller = caller;
    show();
    let low = Infinity, high = -Infinity;
    for (const map of maps) for (const marks of map.lanes.taken || []) if (marks.caller === caller && marks.layer.length) {
      low = Math.min(low, marks.layer.starts[0]);
      high = Math.max(high, d3.max(marks.layer.ends));
    }
    if (low < high) { choose({ kind: "", name: data.callers[caller], start: low, end: high, layer: new Layer({ unit: 1, delta: [low, high - low] }), i: 0, lane: "memory" }, 0); zoomTo(low, high); }
  }
  maps.forEach((map, side) => {
    const place = event => d3.pointer(event, map.canvas);
    d3.select(map.canvas)
      .on("pointermove", event => { if (event.pointerType !== "touch") showTip(event, map.at(...place(event))); })
      .on("pointerleave", hideTip)
      .on("click", event => choose(map.at(...place(event)), side))
      .on("keydown", event => {
        const step = maps[0].width / 8 / state.transform.k;
        if (event.key === "ArrowLeft") holder.call(zoom.translateBy, step, 0);
        else if (event.key === "ArrowRight") holder.call(zoom.translateBy, -step, 0);
        else return;
        event.preventDefault();
      });
  });

  // A step: texts, key, lists

  function show() {
    const name = stepsOf(state.boot)[state.step];
    const boot = data.boots[state.boot];
    const heading = headingOf(state.boot, name);
    byId("boot").value = state.boot;
    byId("boot").setAttribute("aria-valuetext", boot.name);
    byId("step").max = stepsOf(state.boot).length - 1;
    byId("step").value = state.step;
    byId("step").setAttribute("aria-valuetext", heading);
    byId("boot-said").textContent = `${boot.boot} of ${d3.max(data.boots, one => one.boot)}`;
    byId("step-said").textContent = `${state.step + 1} of ${stepsOf(state.boot).length}`;
    byId("now").textContent = `${boot.name[0].toUpperCase()}${boot.name.slice(1)}: ${heading.toLowerCase()}`;
    byId("steps").replaceChildren(...stepsOf(state.boot).map((one, at) => {
      const item = document.createElement("li"), go = button(headingOf(state.boot, one), () => goTo(state.boot, at));
      if (at === state.step) go.setAttribute("aria-current", "step");
      item.append(go);
      return item;
    }));
    maps.forEach((map, side) => {
      const step = stepIn(sidesOf(state.boot)[side], name);
      const remark = !step ? ": has no such boot" : step.name === name ? "" : ": no such step";
      map.caption.text(`${map.title}${remark}`);
      map.canvas.setAttribute("aria-label", `${map.title}: memory at ${byId("now").textContent}; the text below says the same`);
      map.show(lanesOf(sidesOf(state.boot)[side], name), state.chosen);
    });
    const words = document.querySelector(`[data-boot="${boot.boot}"][data-step="${name}"]`);
    byId("story").replaceChildren(...[...words.children].map(one => one.cloneNode(true)));
    showKey();
    showList();
    redraw();
    Object.assign(document.getElementById("player").dataset, { at: `${boot.boot} ${name}` });
    history.replaceState(null, "", `#boot=${boot.boot}&step=${name}`);
  }
  function showKey() {
    const used = new Map();
    for (const map of maps) for (const lane of ["memory", "handed", "reserved"]) {
      for (const marks of map.lanes[lane] || []) if (marks.layer.length) used.set(marks.kind, marks.name);
    }
    byId("key").replaceChildren(...[...used].map(([kind, name]) => {
      const item = document.createElement(TERM[kind] ? "a" : "span"), chip = document.createElement("i");
      if (TERM[kind]) item.href = `#term-${TERM[kind].replaceAll(" ", "-")}`;
      chip.style.background = `var(--${kind})`;
      item.append(chip, name);
      return item;
    }), ...largestCallers().map(([caller, bytes]) => {
      const go = button(`${data.callers[caller]} ${sizeText(bytes)}`, () => only(caller));
      go.prepend(Object.assign(document.createElement("i"), { style: `background:${colourOf(caller)}` }));
      return go;
    }));
  }
  // The callers that have most on either map, for the key.
  function largestCallers() {
    const bytes = new Map();
    for (const map of maps) for (const marks of map.lanes.taken || []) {
      bytes.set(marks.caller, Math.max(bytes.get(marks.caller) || 0, marks.layer.total()));
    }
    return [...bytes].sort((a, b) => b[1] - a[1]).slice(0, CALLERS_NAMED);
  }
  function listed() {
    const side = sidesOf(state.boot)[Number(byId("side").value)];
    const step = stepIn(side, stepsOf(state.boot)[state.step]);
    if (!step) return [[], []];
    const kind = byId("list").value;
    if (kind === "callers") {
      const rows = step.callers.map(([caller, requests, bytes, failed, avoided]) => ({
        cells: [data.callers[caller], count(requests), sizeText(bytes), count(failed), count(avoided)],
        colour: colourOf(caller), order: bytes + failed * 1e15, go: () => only(caller) }));
      return [["caller", "requests", "bytes", "refused", "avoided"], rows];
    }
    const marks = kind === "blocks" ? [["busy block", layer(side.busy)]]
      : [...Object.entries(step.memory).map(([one, number]) => [KIND[one], layer(number)]),
        ...(step.reserved === null ? [] : [["reserved", layer(step.reserved)]])];
    const rows = marks.flatMap(([name, one]) => Array.from(one.starts, (start, i) => ({
      cells: [name, hex(start), hex(one.ends[i]), sizeText(one.bytes(i))], order: one.bytes(i),
      go: () => { choose({ kind: "", name, start, end: one.ends[i], layer: one, i, lane: "memory" }, Number(byId("side").value)); zoomTo(start, one.ends[i]); } })));
    return [["what", "start", "end", "bytes"], rows];
  }
  function showList() {
    if (!byId("lists").open) return;
    const [heads, rows] = listed();
    rows.sort((a, b) => b.order - a.order);
    const table = d3.select(byId("table"));
    table.select("caption").text(!rows.length ? "There are none in this step."
      : `${rows.length > MOST_ROWS ? `The largest ${MOST_ROWS} of ${count(rows.length)}` : "The largest first"}; each name zooms to its memory.`);
    table.select("thead").html("").append("tr").selectAll("th").data(heads).join("th").attr("scope", "col").text(d => d)
      .attr("class", (_, i) => i ? "number" : "text");
    const lines = table.select("tbody").html("").selectAll("tr").data(rows.slice(0, MOST_ROWS)).join("tr");
    lines.selectAll("td").data(row => row.cells).join("td").attr("class", (_, i) => i ? "number" : "text")
      .each(function fill(text, i) {
        if (i) { this.textContent = text; return; }
        const row = d3.select(this.parentNode).datum();
        const go = button(text, row.go);
        if (row.colour) go.prepend(Object.assign(document.createElement("i"), { style: `background:${row.colour}` }));
        this.append(go);
      });
  }

  // Controls

  function goTo(boot, step) {
    state.boot = Math.max(0, Math.min(boot, data.boots.length - 1));
    state.step = Math.max(0, Math.min(step, stepsOf(state.boot).length - 1));
    show();
  }
  function move(by) {
    const step = state.step + by;
    if (step < 0 && state.boot > 0) goTo(state.boot - 1, Infinity);
    else if (step >= stepsOf(state.boot).length && state.boot + 1 < data.boots.length) goTo(state.boot + 1, 0);
    else if (step >= 0 && step < stepsOf(state.boot).length) goTo(state.boot, step);
    else return false;
    return true;
  }
  function play(on) {
    clearInterval(state.timer);
    state.timer = on ? setInterval(() => { if (!move(1)) play(false); }, 1400) : null;
    byId("run").setAttribute("aria-pressed", String(on));
    byId("run").firstChild.textContent = on ? "stop" : "play";
  }
  byId("boot").max = data.boots.length - 1;
  byId("boot").addEventListener("input", event => {
    const name = stepsOf(state.boot)[state.step], boot = Number(event.target.value);
    const same = stepsOf(boot).indexOf(name);
    goTo(boot, same >= 0 ? same : state.step);
  });
  byId("step").addEventListener("input", event => goTo(state.boot, Number(event.target.value)));
  const scaled = by => holder.transition().duration(150).call(zoom.scaleBy, by);
  const acts = {
    back: () => move(-1), on: () => move(1), run: () => play(state.timer === null),
    in: () => scaled(2), out: () => scaled(0.5), all: () => zoomTo(axis.first, axis.end),
  };
  for (const [id, act] of Object.entries(acts)) byId(id).addEventListener("click", act);
  const keys = { ",": acts.back, ".": acts.on, p: acts.run, "+": acts.in, "=": acts.in, "-": acts.out, 0: acts.all };
  document.addEventListener("keydown", event => {
    const typing = event.target.matches("input[type=text], select, textarea");
    if (!typing && keys[event.key] && !event.ctrlKey && !event.metaKey && !event.altKey) { event.preventDefault(); keys[event.key](); }
  });
  byId("find").addEventListener("submit", event => {
    event.preventDefault();
    const address = Number(byId("address").value.trim());
    const box = byId("address");
    box.setCustomValidity(address >= axis.first && address < axis.end ? "" : `An address from ${hex(axis.first)} to ${hex(axis.end)}, as in 0x100000000`);
    if (!box.reportValidity()) return;
    const block = sidesOf(state.boot).map(side => blockAt(side, address)).find(Boolean) || [address, address + 4096];
    state.chosen = { start: block[0], end: block[1] };
    show();
    zoomTo(...block);
  });
  byId("address").addEventListener("input", event => event.target.setCustomValidity(""));
  byId("side").append(...data.sides.map((name, at) => Object.assign(document.createElement("option"), { value: at, textContent: name })));
  for (const id of ["side", "list"]) byId(id).addEventListener("change", showList);
  byId("lists").addEventListener("toggle", showList);
  addEventListener("resize", () => { resize(); redraw(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { show(); });

  // The address names boot and step, as in #boot=2&step=marks, so that a link can lead to them.
  function goToAddress() {
    const wanted = new URLSearchParams(location.hash.slice(1));
    if (!wanted.has("boot")) return false;
    const boot = data.boots.findIndex(one => one.boot === Number(wanted.get("boot")));
    if (boot >= 0) goTo(boot, Math.max(stepsOf(boot).indexOf(wanted.get("step")), 0));
    return boot >= 0;
  }
  addEventListener("hashchange", goToAddress);
  resize();
  choose(null);
  if (!goToAddress()) goTo(Math.min(1, data.boots.length - 1), 0);
})();
