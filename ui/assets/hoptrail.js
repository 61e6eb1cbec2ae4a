// Comforts only: every page works without this file.
(() => {
  "use strict";
  const $ = (selector) => document.querySelector(selector);
  const all = (selector) => [...document.querySelectorAll(selector)];

  // The server shows times in the browser's zone from the next page on.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && /^[\w/+-]+$/.test(zone)) document.cookie = `tz=${zone}; path=/; max-age=31536000; samesite=lax`;

  // A page that waits for spans looks again.
  const refresh = Number(document.body.dataset.refresh);
  if (refresh) setTimeout(() => location.reload(), refresh * 1000);

  // Search form: another service has other span names; empty fields need not stand in the URL.
  const form = $("[data-search]");
  if (form) {
    $("[data-submit]").addEventListener("change", () => {
      form.elements.name.value = "";
      form.requestSubmit();
    });
    const custom = form.querySelector(".custom");
    form.elements.lookback.addEventListener("change", (event) => {
      custom.open = event.target.value === "custom";
      if (!custom.open) form.elements.from.value = form.elements.to.value = "";
    });
    for (const name of ["from", "to"]) {
      form.elements[name].addEventListener("input", () => (form.elements.lookback.value = "custom"));
    }
    form.elements.q.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey) {
        event.preventDefault();
        form.requestSubmit();
      }
    });
    form.addEventListener("formdata", (event) => {
      for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
    });
  }

  // Find as you type: the rows whose name has the text.
  const filter = $("[data-filter]");
  if (filter) {
    const rows = all(`${filter.dataset.filter} tbody tr`);
    const count = $("[data-count]");
    const whole = count.textContent;
    filter.addEventListener("input", () => {
      const wanted = filter.value.trim().toLowerCase();
      for (const row of rows) row.hidden = !row.dataset.name.toLowerCase().includes(wanted);
      const shown = rows.filter((row) => !row.hidden).length;
      count.textContent = shown === rows.length ? whole : `${shown} of ${whole}`;
    });
  }

  // Links that change only a part of the page keep the position on the screen and the focus.
  const POSITION = "hoptrail-position";
  const keep = (link) => {
    const item = link.closest(".item");
    const position = item ? { id: item.id, top: item.getBoundingClientRect().top } : { y: scrollY };
    position.path = location.pathname;
    position.fold = link.matches(".fold:focus");
    position.tool = link.matches(".tool:focus") && link.getAttribute("aria-label");
    sessionStorage.setItem(POSITION, JSON.stringify(position));
  };
  addEventListener("click", (event) => {
    const link = event.target.closest("a[data-keep]");
    if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey && event.button === 0) keep(link);
  });
  const restore = (position) => {
    const item = position.id && document.getElementById(position.id);
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const row = item || (target?.matches(".item") && target);
    if (item) scrollTo(0, scrollY + item.getBoundingClientRect().top - position.top);
    else if (position.y !== undefined && !target) scrollTo(0, position.y);
    const link = (position.fold && row && row.querySelector("a.fold")) || (row && row.querySelector("a.name"));
    const tool = position.tool && all("a.tool").find((one) => one.getAttribute("aria-label") === position.tool);
    (tool || link || null)?.focus({ preventScroll: true });
  };
  try {
    const position = JSON.parse(sessionStorage.getItem(POSITION));
    sessionStorage.removeItem(POSITION);
    if (position?.path === location.pathname) {
      restore(position);
      // The browser goes to the URL's fragment when all is loaded, and takes the focus away.
      addEventListener("load", () => setTimeout(() => restore(position)));
    }
  } catch {
    // Without storage the browser goes to the fragment.
  }

  // Links to copy.
  addEventListener("click", async (event) => {
    const link = event.target.closest("a[data-copy]");
    if (!link || !navigator.clipboard) return;
    event.preventDefault();
    try {
      await navigator.clipboard.writeText(link.href);
      link.textContent = "Link copied";
    } catch {
      location.href = link.href;
    }
  });

  // The time shown of a trace, nanoseconds from its start.
  const axis = $(".axis[data-zoom]")?.dataset;
  const total = Number($("[data-rows]")?.dataset.total);
  const zoom = (from, to) => {
    const url = new URL(axis.base, location.href);
    if (from > 0 || to < total) url.searchParams.set("zoom", `${Math.round(from)}-${Math.round(to)}`);
    sessionStorage.setItem(POSITION, JSON.stringify({ path: location.pathname, y: scrollY }));
    location.href = url;
  };
  // Earlier or later by a part of what is shown, or more and less of it.
  const move = (by, factor = 1) => {
    if (!axis) return;
    const [offset, length] = [Number(axis.offset), Number(axis.length)];
    const shown = Math.min(total, length * factor);
    if (shown < 2) return;
    const from = Math.min(total - shown, Math.max(0, offset + by * length + (length - shown) / 2));
    if (shown < total || length < total) zoom(from, from + shown);
  };

  // Zoom by dragging over the overview or the time axis.
  for (const area of all("[data-zoom]")) {
    const svg = area.querySelector("svg");
    const whole = !area.dataset.length;
    const [offset, length] = whole ? [0, total] : [Number(axis.offset), Number(axis.length)];
    let from = null;
    let mark = null;
    const at = (event) => {
      const box = svg.getBoundingClientRect();
      return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    };
    const draw = (event) => {
      const box = svg.getBoundingClientRect();
      const outer = area.getBoundingClientRect();
      const [a, b] = [from, at(event)].sort((x, y) => x - y);
      mark.style.left = `${box.left - outer.left + a * box.width}px`;
      mark.style.width = `${(b - a) * box.width}px`;
    };
    const stop = () => {
      mark?.remove();
      from = mark = null;
    };
    area.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      from = at(event);
      mark = area.appendChild(document.createElement("div"));
      mark.className = "drag";
      draw(event);
      area.setPointerCapture(event.pointerId);
    });
    area.addEventListener("pointermove", (event) => from !== null && draw(event));
    area.addEventListener("pointercancel", stop);
    area.addEventListener("pointerup", (event) => {
      if (from === null) return;
      const [a, b] = [from, at(event)].sort((x, y) => x - y);
      stop();
      if (b - a < 0.005) return;
      zoom(offset + a * length, offset + b * length);
    });
  }

  // The border between names and bars: dragged, or moved by arrows, and remembered in steps that the style sheet has.
  const split = $("[data-split]");
  if (split) {
    const section = split.closest(".wf");
    const own = () => Math.round((100 * split.previousElementSibling.previousElementSibling.offsetWidth) / split.parentElement.offsetWidth);
    const set = (percent) => {
      const width = Math.min(64, Math.max(16, 4 * Math.round(percent / 4)));
      section.className = `${section.className.replace(/ n\d+/, "")} n${width}`;
      section.style.removeProperty("--name");
      split.setAttribute("aria-valuenow", width);
      document.cookie = `names=${width}; path=/trace; max-age=31536000; samesite=lax`;
    };
    const names = { role: "separator", "aria-orientation": "vertical", "aria-label": "Width of names", "aria-valuemin": 16, "aria-valuemax": 64, "aria-valuenow": own(), tabindex: 0 };
    for (const [name, value] of Object.entries(names)) split.setAttribute(name, value);
    split.hidden = false;
    const at = (event) => {
      const box = split.parentElement.getBoundingClientRect();
      return (100 * (event.clientX - box.left)) / box.width;
    };
    split.addEventListener("pointerdown", (event) => split.setPointerCapture(event.pointerId));
    split.addEventListener("pointermove", (event) => split.hasPointerCapture(event.pointerId) && section.style.setProperty("--name", `${at(event)}%`));
    split.addEventListener("pointerup", (event) => set(at(event)));
    split.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -4, ArrowRight: 4 }[event.key];
      if (!by) return;
      event.preventDefault();
      event.stopPropagation();
      set(own() + by);
    });
  }

  // One row takes part in the order of Tab, arrows go to the others.
  const rows = $("[data-rows]");
  if (rows) {
    const links = [...rows.querySelectorAll("a.name")];
    for (const link of rows.querySelectorAll("a.name, a.fold")) link.tabIndex = -1;
    let stop = rows.querySelector(".selected a.name, :target a.name") ?? links[0];
    if (stop) stop.tabIndex = 0;
    rows.addEventListener("focusin", (event) => {
      const name = event.target.closest("a.name, a.fold")?.closest(".item").querySelector("a.name");
      if (!name || name === stop) return;
      stop.tabIndex = -1;
      name.tabIndex = 0;
      stop = name;
    });
  }

  // Menus close by themselves; attributes of a span are filtered.
  addEventListener("click", (event) => {
    for (const menu of all(".menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  });
  for (const input of all("[data-pairs]")) {
    input.hidden = false;
    const pairs = [...input.closest("details").querySelectorAll(".pairs > tbody > tr")];
    input.addEventListener("input", () => {
      const wanted = input.value.trim().toLowerCase();
      for (const row of pairs) row.hidden = wanted && (row.matches(".namespace") || !row.textContent.toLowerCase().includes(wanted));
    });
  }
  for (const button of all("[data-copy-value]")) {
    button.hidden = !navigator.clipboard;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.closest("tr").querySelector("pre, .value").textContent);
      button.textContent = "Copied";
    });
  }

  // Keyboard.
  const help = $("#keys");
  const helpButton = $("[data-help]");
  helpButton.hidden = false;
  helpButton.addEventListener("click", () => help.showModal());

  const items = () => all("[data-rows] > .item");
  const current = () => document.activeElement.closest?.("[data-rows] > .item");
  const focusItem = (item) => {
    const name = item?.querySelector("a.name");
    name?.focus({ preventScroll: true });
    item?.firstElementChild.scrollIntoView({ block: "nearest" });
  };
  const step = (by) => {
    const list = items();
    const item = current();
    const start = item ? list.indexOf(item) + by : Math.max(0, list.findIndex((one) => one.matches(".selected, :target")));
    focusItem(list[Math.min(list.length - 1, Math.max(0, start))]);
  };
  const fold = (open) => {
    const item = current();
    const link = item?.querySelector("a.fold");
    if (link && item.querySelector("[aria-expanded]")?.ariaExpanded === String(!open)) return link.click();
    if (open) return step(1);
    let up = item;
    while (up && Number(up.dataset.level) >= Number(item.dataset.level)) up = up.previousElementSibling;
    focusItem(up);
  };
  const actions = {
    j: () => step(1), k: () => step(-1), f: () => step(1), b: () => step(-1),
    s: () => scrollBy({ top: innerHeight / 2 }), w: () => scrollBy({ top: -innerHeight / 2 }),
    l: () => fold(true), h: () => fold(false),
    "/": () => ($("#find") ?? $("#q") ?? $(".jump input"))?.focus(),
    "?": () => help.showModal(),
    A: () => move(-1), D: () => move(1),
  };
  // Outside of the rows arrows move the time; with Shift they do so everywhere, and further.
  const outside = { ArrowUp: "+", ArrowDown: "-", ArrowLeft: "a", ArrowRight: "d", "=": "+" };
  const shifted = { ArrowUp: () => move(0, 0.1), ArrowDown: () => move(0, 10), ArrowLeft: () => move(-1), ArrowRight: () => move(1) };
  const inRows = { ArrowDown: () => step(1), ArrowUp: () => step(-1), ArrowRight: () => fold(true), ArrowLeft: () => fold(false) };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey && event.key === "b" && $("#find")) {
      event.preventDefault();
      return $("#find").focus();
    }
    if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    if (event.target.closest("input, select, textarea")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (event.key === "Escape" && $(".menu[open]")) return void ($(".menu[open]").open = false);
    const isFree = !current() && !document.activeElement.matches("[role=separator], [tabindex='0'][role], summary");
    const name = isFree || event.key === "=" ? (outside[event.key] ?? event.key) : event.key;
    // What was opened last closes first.
    const linked = !(event.shiftKey && shifted[event.key]) && all(`a[data-key="${CSS.escape(name)}"]`).at(-1);
    const action = (axis && event.shiftKey && shifted[event.key]) || (actions[event.key] ?? (current() && inRows[event.key]));
    if (!linked && (!action || !($("[data-rows]") || "/?".includes(event.key)))) return;
    event.preventDefault();
    if (linked) linked.click();
    else action();
  });
})();
