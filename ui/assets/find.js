// Narrows a search to the area drawn over its heatmap. Without this file each cell is a link.
(() => {
  "use strict";
  const area = document.querySelector("[data-brush]");
  if (!area) return;
  const { brush, from, to, bottom, top } = area.dataset;
  // So many pixels are still a click.
  const CLICK = 4;
  let begin = null;
  let mark = null;
  const at = (event) => {
    const box = area.getBoundingClientRect();
    const share = (value, length) => Math.min(1, Math.max(0, value / length));
    return [share(event.clientX - box.left, box.width), share(event.clientY - box.top, box.height)];
  };
  const between = (one, other) => [Math.min(one, other), Math.max(one, other)];
  const stop = () => {
    mark?.remove();
    begin = mark = null;
  };
  // Three digits say enough.
  const duration = (share) => {
    const nanos = 2 ** (Number(top) - share * (top - bottom));
    const [unit, name] = [[1e9, "s"], [1e6, "ms"], [1e3, "us"], [1, "ns"]].find(([unit]) => nanos >= unit) ?? [1, "ns"];
    return `${Number((nanos / unit).toPrecision(3))}${name}`;
  };
  const time = (share) => new Date(Number(from) + share * (to - from)).toISOString();
  area.addEventListener("dragstart", (event) => event.preventDefault());
  area.addEventListener("pointerdown", (event) => {
    if (event.button === 0) begin = { share: at(event), x: event.clientX, y: event.clientY };
  });
  area.addEventListener("pointermove", (event) => {
    if (!begin || Math.hypot(event.clientX - begin.x, event.clientY - begin.y) < CLICK) return;
    if (!mark) {
      mark = area.appendChild(document.createElement("div"));
      mark.className = "brush";
      area.setPointerCapture(event.pointerId);
    }
    const [x, y] = at(event);
    const [left, right] = between(x, begin.share[0]);
    const [above, below] = between(y, begin.share[1]);
    mark.style.left = `${100 * left}%`;
    mark.style.top = `${100 * above}%`;
    mark.style.width = `${100 * (right - left)}%`;
    mark.style.height = `${100 * (below - above)}%`;
  });
  area.addEventListener("pointercancel", stop);
  area.addEventListener("pointerup", (event) => {
    if (!mark) return stop();
    const [x, y] = at(event);
    const [left, right] = between(x, begin.share[0]);
    const [above, below] = between(y, begin.share[1]);
    stop();
    const url = new URL(brush, location.href);
    url.searchParams.set("from", time(left));
    url.searchParams.set("to", time(right));
    // At the edges nothing is left out.
    if (below < 0.99) url.searchParams.set("minDuration", duration(below));
    if (above > 0.01) url.searchParams.set("maxDuration", duration(above));
    location.href = url;
  });
  addEventListener("keydown", (event) => event.key === "Escape" && stop());
})();

// Of more names than are listed, those that have the typed text. Without this file a search for a part of a name lists them.
(() => {
  "use strict";
  for (const input of document.querySelectorAll("[data-offer]")) {
    const listed = [...input.list.children];
    let timer = 0;
    const offer = async () => {
      const typed = input.value;
      if (!typed) return input.list.replaceChildren(...listed);
      const fields = new URLSearchParams(new FormData(input.form));
      fields.set("of", input.name);
      const answer = await fetch(`${input.dataset.offer}?${fields}`).catch(() => null);
      const names = answer?.ok ? await answer.json() : null;
      if (names && typed === input.value) input.list.replaceChildren(...names.map(([name, spans]) => new Option(spans, name)));
    };
    input.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(offer, 90);
    });
  }
})();

// New matches as they arrive. Without this file there is a link to look again.
(() => {
  "use strict";
  const list = document.querySelector("[data-tail]");
  if (!list) return;
  // More rows than these are dropped at the end.
  const MOST = 500;
  const name = (row) => row.querySelector("a.hit-name")?.getAttribute("href");
  const news = new EventSource(list.dataset.tail);
  news.addEventListener("message", (event) => {
    const made = document.createElement("template");
    made.innerHTML = event.data;
    const known = new Map([...list.querySelectorAll(".hit")].map((row) => [name(row), row]));
    for (const row of [...made.content.querySelectorAll(".hit")].reverse()) {
      const before = known.get(name(row));
      if (before) {
        before.replaceWith(row);
      } else {
        row.classList.add("fresh");
        list.querySelector(".hit-head").after(row);
      }
    }
    for (const row of [...list.querySelectorAll(".hit:not(.hit-head)")].slice(MOST)) row.remove();
  });
  addEventListener("pagehide", () => news.close());
})();

// A file dropped on a page is opened, as if it were chosen on the page for files.
(() => {
  "use strict";
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files") && !event.target.closest?.("input[type=file]");
  addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    const form = document.createElement("form");
    Object.assign(form, { method: "post", action: `${document.querySelector(".brand").href}file`, enctype: "multipart/form-data", hidden: true });
    const input = form.appendChild(document.createElement("input"));
    Object.assign(input, { type: "file", name: "file", files: event.dataTransfer.files });
    document.body.append(form);
    form.submit();
  });
})();
