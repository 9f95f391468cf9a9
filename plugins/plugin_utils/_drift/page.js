/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The page's state is the end of its URL: what is filtered, and which host or layer is open. */
(() => {
  "use strict";

  const report = JSON.parse(document.getElementById("report").textContent);
  const layerOf = (host, id) => report.contents[report.hosts[host].layers[id]];
  const form = document.querySelector("form");
  const box = document.querySelector("#hosts .box");
  const table = box.querySelector("table");
  const rows = [...table.querySelectorAll("tr[data-host]")];
  const bundles = new Map([...table.querySelectorAll("tr.bundle")].map((row) => [row.dataset.bundle, row]));
  const rowOf = new Map(rows.map((row) => [row.dataset.host, row]));
  const opened = new Set();
  const columns = table.rows[0].cells.length;
  let detail = null;

  /* Elements are made of text only: nothing from a node is read as HTML. */
  const make = (tag, name = "", ...children) => {
    const element = document.createElement(tag);
    if (name) element.className = name;
    element.append(...children.flat(Infinity).filter((child) => child !== null && child !== ""));
    return element;
  };
  const mark = (state) => {
    const element = make("span", `mark ${state}`, report.marks[state]);
    element.setAttribute("aria-hidden", "true");
    return element;
  };
  const day = (moment) => new Date(moment).toISOString().slice(0, 16).replace("T", " ");
  const plural = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;

  const read = () => {
    const given = new URLSearchParams(location.hash.slice(1));
    return {
      states: new Set((given.get("state") || "").split(",").filter(Boolean)),
      layer: given.get("layer") || "",
      text: given.get("text") || "",
      host: rowOf.has(given.get("host")) ? given.get("host") : "",
      at: given.get("at") || "",
    };
  };
  const written = (view) => {
    const parts = { state: [...view.states].join(","), layer: view.layer, text: view.text, host: view.host, at: view.at };
    return "#" + Object.entries(parts).filter(([, value]) => value)
      .map(([key, value]) => `${key}=${encodeURIComponent(value)}`).join("&");
  };
  const go = (changes) => {
    history.replaceState(null, "", written({ ...read(), ...changes }));
    show();
  };

  const texts = new Map();
  const textOf = (name) => {
    if (!texts.has(name)) {
      const host = report.hosts[name];
      const layers = Object.keys(host.layers).map((id) => layerOf(name, id));
      const values = (value) => (value && typeof value === "object" ? Object.values(value).map(values).join("\n") : value);
      texts.set(name, [name, values({ ...host, layers })].join("\n").toLowerCase());
    }
    return texts.get(name);
  };
  const isPending = (host) => host.reboot.length + host.restarts.length > 0;
  const matches = (name, view) => {
    const host = report.hosts[name];
    const asked = Object.keys(host.layers).length > 0;
    if (view.layer && asked && !(view.layer in host.layers)) return false;
    const state = view.layer && asked ? layerOf(name, view.layer).state : host.state;
    if (view.states.size && !view.states.has(state) && !(view.states.has("pending") && isPending(host))) return false;
    if (view.layer && !view.states.size && state === "equal") return false;
    return !view.text || view.text.toLowerCase().split(/\s+/).every((word) => textOf(name).includes(word));
  };

  const show = () => {
    const view = read();
    for (const field of form.elements.state) field.checked = view.states.has(field.value);
    form.elements.layer.value = view.layer;
    if (form.elements.text.value.trim() !== view.text) form.elements.text.value = view.text;

    const matching = new Set([...rowOf.keys()].filter((name) => matches(name, view)));
    const inBundle = new Map();
    for (const row of rows) {
      const { host, bundle } = row.dataset;
      if (matching.has(host)) inBundle.set(bundle, (inBundle.get(bundle) || 0) + 1);
      row.hidden = !matching.has(host) || (bundles.has(bundle) && !view.text && !opened.has(bundle));
    }
    for (const [bundle, row] of bundles) {
      row.hidden = !inBundle.has(bundle) || view.text !== "";
      row.querySelector("button").setAttribute("aria-expanded", String(opened.has(bundle)));
    }
    for (const body of table.tBodies) body.hidden = ![...body.rows].some((row) => row.dataset.bundle && !row.hidden);
    const filtered = matching.size < rowOf.size;
    const said = filtered ? `${matching.size} of ${plural(rowOf.size, "host")}` : plural(rowOf.size, "host");
    const count = document.getElementById("count");
    if (count.textContent !== said) count.textContent = said;
    document.body.classList.toggle("filtered", filtered);
    open(view);
  };

  /* A host in a folded row is shown below that row. */
  const placeOf = (name) => {
    const row = rowOf.get(name);
    return row.hidden ? bundles.get(row.dataset.bundle) : row;
  };
  const namesIn = (place) => rows.filter((row) => row.dataset.bundle === place.dataset.bundle).map((row) => row.dataset.host);
  const linksTo = (view) => (view.host ? [...placeOf(view.host)?.querySelectorAll("a[href]") || []]
    .filter((link) => link.getAttribute("href") === written({ states: [], host: view.host, at: view.at })) : []);

  const open = (view) => {
    const key = written({ ...view, states: [], layer: "", text: "" });
    const place = view.host ? placeOf(view.host) : null;
    if (detail && detail.key === key && detail.place === place) return;
    if (detail) {
      detail.row.remove();
      for (const link of table.querySelectorAll("a[aria-expanded]")) link.removeAttribute("aria-expanded");
    }
    detail = null;
    if (!place || place.hidden) return;
    detail = { key, place, row: detailRow(view.host, view.at) };
    (place.dataset.host ? place : place.nextElementSibling).after(detail.row); // after the names of those that are alike
    for (const link of linksTo(view)) link.setAttribute("aria-expanded", "true");
  };
  const close = () => {
    const view = read();
    if (!view.host) return;
    const opener = linksTo(view)[0] || placeOf(view.host)?.querySelector("a, button");
    go({ host: "", at: "" });
    if (opener) opener.focus();
  };

  const pairs = (entries) => make("dl", "facts", entries.filter(([, value]) => value && value.length !== 0)
    .map(([name, value]) => make("div", "", make("dt", "", name), make("dd", "", value))));
  const list = (title, items) => (items.length
    ? make("div", "list", make("p", "label", title), make("ul", "", items.map((item) => make("li", "", item)))) : null);
  const text = (value) => (Array.isArray(value) ? value.join(", ") : value);
  const short = (value) => value.replace(/\b[0-9a-f]{16,}\b/g, (hash) => hash.slice(0, 8));
  const difference = (diff) => make("pre", "diff", make("code", "", diff.replace(/\n$/, "").split("\n").map((line) => {
    const kind = /^(---|\+\+\+|@@)/.test(line) ? "where" : { "-": "less", "+": "more" }[line[0]] || "same";
    return make("span", kind, line + "\n");
  })));
  const values = (layer) => {
    const keys = [...new Set([...Object.keys(layer.found), ...Object.keys(layer.declared)])];
    if (!keys.length) return null;
    const head = ["", "Found", "Declared"].map((title) => {
      const cell = make(title ? "th" : "td", "", title);
      if (title) cell.scope = "col";
      return cell;
    });
    const lines = keys.map((key) => {
      const name = make("th", "", key);
      name.scope = "row";
      const [found, declared] = [layer.found[key], layer.declared[key]].map((value) => text(value ?? ""));
      return make("tr", declared && declared !== found ? "differs" : "",
        name, make("td", "", found || "–"), make("td", "", declared || "–"));
    });
    return make("table", "values", make("thead", "", make("tr", "", head)), make("tbody", "", lines));
  };
  const origin = ({ file, commit, sha256, dirty }) => (file ? make("p", "origin", "Declared by ", make("code", "", file),
    commit ? [", commit ", make("code", "", commit.slice(0, 12))] : "",
    dirty ? make("strong", "", ", with changes that are not committed") : "",
    sha256 ? [", SHA-256 ", make("code", "", sha256.slice(0, 12))] : "") : null);
  const built = ({ evenkeel, built: day, file, commit, dirty, signer, sources }) => (evenkeel ? make("p", "origin", "Built ",
    `${day.slice(0, 16).replace("T", " ")} UTC by Evenkeel ${evenkeel}`, file ? [" of ", make("code", "", file)] : "",
    commit ? [", commit ", make("code", "", commit.slice(0, 12))] : "",
    dirty ? make("strong", "", ", with changes that were not committed") : "",
    signer ? `, signed by ${signer}` : "", sources.length ? `, from ${sources.join(", ")}` : "") : null);
  const layerPart = ({ id, title }, name) => {
    const layer = layerOf(name, id);
    return make("section", "of-layer", make("h4", "", mark(layer.state), title, make("span", "state", layer.state)),
      list("What would make a run fail", layer.problems),
      list("What could not be found out", layer.unknown),
      layer.changes.map((change) => make("div", "change", make("p", "label", "A run would change: ", make("code", "", change.what)),
        change.why.length ? make("ul", "", change.why.map((why) => make("li", "", why))) : null,
        change.diff ? difference(change.diff) : null)),
      list("Notes", layer.notes), values(layer), origin(layer.provenance), built(layer.origin ?? {}));
  };
  const equalLayers = (layers, name) => {
    const lines = layers.map(({ id, title }) => [title, Object.values(layerOf(name, id).found).map((value) => short(text(value))).join(" · ")]);
    return lines.length ? make("section", "of-layer as-declared", make("h4", "", mark("equal"), "As declared"),
      pairs(lines.map(([title, found]) => [title, found || "–"]))) : null;
  };
  const timeline = (name) => {
    const stretches = report.timelines[name];
    const from = new Date(stretches[0].first), all = new Date(report.created) - from;
    if (!all) return null;
    const strip = make("div", "strip", stretches.map((stretch, index) => {
      const end = new Date(index + 1 < stretches.length ? stretches[index + 1].first : report.created);
      const part = make("span", `mark ${stretch.state}`, report.marks[stretch.state]);
      part.style.flexGrow = String((end - new Date(stretch.first)) / all);
      return part;
    }));
    strip.setAttribute("aria-hidden", "true");
    const lines = [...stretches].reverse().map(({ state, digest, first, last, reports }) => make("li", "",
      mark(state), make("b", "", state), make("span", "", first === last ? day(first) : `${day(first)} – ${day(last)}`),
      make("span", "quiet", plural(reports, "report")), digest ? make("code", "", digest.slice(0, 8)) : ""));
    return make("section", "of-layer", make("h4", "", "Timeline"), strip, make("ol", "stretches", lines));
  };
  const pulled = ({ outcome, commit, ended }) => `${outcome} at ${day(ended)} UTC, has ${commit.slice(0, 12) || "no commit"}`;
  const details = (name, at, close) => {
    const host = report.hosts[name];
    const here = report.layers.filter(({ id }) => id in host.layers);
    const isEqual = ({ id }) => layerOf(name, id).state === "equal" && !layerOf(name, id).notes.length;
    const one = here.filter(({ id }) => id === at);
    const alike = placeOf(name).dataset.host ? [] : namesIn(placeOf(name));
    const inside = make("section", "detail",
      make("header", "", make("h3", "", mark(host.state), name, make("span", "state", host.state)), close),
      one.length ? one.map((layer) => layerPart(layer, name)) : [
        host.message ? make("p", "message", host.message) : null,
        pairs([["Alike", alike.join(", ")], ["To reboot", host.reboot.join(". ")], ["To restart", text(host.restarts)],
          ["Last pull", host.pull ? pulled(host.pull) : ""],
          ["Differs since", host.since ? `${day(host.since)} UTC` : ""], ["Release", host.release], ["GPUs", text(host.gpus)],
          ["Groups", text(host.groups)], ["Survey took", host.seconds === null ? "" : `${host.seconds.toFixed(1)} s`],
          ["Digest", host.digest || ""]]),
        here.filter((layer) => !isEqual(layer)).map((layer) => layerPart(layer, name)),
        equalLayers(here.filter(isEqual), name), timeline(name)]);
    inside.setAttribute("aria-label", `Details of ${name}`);
    return inside;
  };
  const detailRow = (name, at) => {
    const whole = make("a", "", "All layers");
    whole.href = written({ states: [], host: name });
    const button = make("button", "close", "Close");
    button.type = "button";
    button.addEventListener("click", close);
    const cell = make("td", "", details(name, at, [at ? whole : null, button]));
    cell.colSpan = columns;
    return make("tr", "detail", cell);
  };

  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("#hosts a[href^='#host=']");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const to = new URLSearchParams(link.getAttribute("href").slice(1));
    if (link.getAttribute("aria-expanded") === "true") close();
    else go({ host: to.get("host"), at: to.get("at") || "" });
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !(event.target === form.elements.text && event.target.value)) close();
  });
  for (const [bundle, row] of bundles) {
    row.querySelector("button").addEventListener("click", () => {
      if (!opened.delete(bundle)) opened.add(bundle);
      show();
    });
  }
  form.addEventListener("input", () => {
    const states = new Set([...form.elements.state].filter((field) => field.checked).map((field) => field.value));
    go({ states, layer: form.elements.layer.value, text: form.elements.text.value.trim() });
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    form.elements.text.value = "";
    go({ states: new Set(), layer: "", text: "" });
    form.elements.text.focus();
  });
  window.addEventListener("hashchange", () => {
    show();
    detail?.place.scrollIntoView();
  });

  /* On paper, what differs follows the table, once for hosts that are alike. */
  const paper = make("section", "paper");
  window.addEventListener("beforeprint", () => {
    const shown = [...table.querySelectorAll("tr[data-bundle]:not([hidden])")]
      .filter((row) => row.dataset.host || !opened.has(row.dataset.bundle)).map((row) => row.dataset.host || namesIn(row)[0])
      .filter((name) => report.hosts[name].state !== "equal" || isPending(report.hosts[name]));
    if (shown.length) paper.append(make("h2", "", "What differs"), ...shown.map((name) => details(name, "", null)));
    document.getElementById("hosts").after(paper);
  });
  window.addEventListener("afterprint", () => {
    paper.replaceChildren();
    paper.remove();
  });

  /* A table that fits needs no scrolling of its own, and its head stays in sight while the page scrolls. */
  new ResizeObserver(() => box.classList.toggle("fits", table.offsetWidth <= box.clientWidth)).observe(box);
  document.documentElement.classList.add("live");
  show();
  detail?.place.scrollIntoView();
})();
