// Suggestions in the query box, from the server. Without this file the box is a plain text field.
(() => {
  "use strict";
  const box = document.querySelector("[data-complete]");
  if (!box) return;
  const list = box.parentElement.appendChild(document.createElement("ul"));
  list.className = "suggestions";
  list.id = "q-suggestions";
  list.role = "listbox";
  list.ariaLabel = "Suggestions";
  list.hidden = true;
  box.role = "combobox";
  box.ariaAutoComplete = "list";
  box.ariaExpanded = "false";
  box.setAttribute("aria-controls", list.id);

  let range = [0, 0];
  let items = [];
  let chosen = -1;
  // Whether the list is that of the text as it stands.
  let fresh = false;
  let asked = null;
  let timer = 0;

  const close = () => {
    asked?.abort();
    clearTimeout(timer);
    items = [];
    chosen = -1;
    list.hidden = true;
    box.ariaExpanded = "false";
    box.removeAttribute("aria-activedescendant");
  };
  const choose = (at) => {
    list.children[chosen]?.setAttribute("aria-selected", "false");
    chosen = (at + items.length) % items.length;
    const item = list.children[chosen];
    item.setAttribute("aria-selected", "true");
    item.scrollIntoView({ block: "nearest" });
    box.setAttribute("aria-activedescendant", item.id);
  };
  const element = (name, text) => {
    const made = document.createElement(name);
    made.textContent = text;
    return made;
  };
  const show = (answer) => {
    items = answer.items;
    range = [answer.from, answer.to];
    chosen = -1;
    fresh = true;
    box.removeAttribute("aria-activedescendant");
    if (!items.length) return close();
    list.replaceChildren(
      ...items.map((item, at) => {
        const option = document.createElement("li");
        option.role = "option";
        option.id = `q-suggestion-${at}`;
        option.ariaSelected = "false";
        option.append(element("code", item.label), element("span", item.kind));
        return option;
      }),
    );
    list.scrollTop = 0;
    list.hidden = false;
    box.ariaExpanded = "true";
  };
  const accept = (at) => {
    const [from, to] = range;
    const { text } = items[at];
    close();
    // As if it were typed, so that it can be undone.
    box.setSelectionRange(from, to);
    if (!document.execCommand("insertText", false, text)) {
      box.setRangeText(text, from, to, "end");
      box.dispatchEvent(new Event("input"));
    }
  };
  const ask = async () => {
    asked?.abort();
    const own = (asked = new AbortController());
    const fields = new URLSearchParams(new FormData(box.form));
    fields.set("q", box.value);
    fields.set("at", box.selectionStart);
    try {
      const answer = await fetch(`${box.dataset.complete}?${fields}`, { signal: own.signal });
      const found = answer.ok && (await answer.json());
      if (own === asked && found && document.activeElement === box) show(found);
    } catch {
      // A newer question took its place, or the server is away: there is no list.
    }
  };
  const later = () => {
    fresh = false;
    clearTimeout(timer);
    timer = setTimeout(ask, 90);
  };

  box.addEventListener("input", later);
  box.addEventListener("blur", close);
  list.addEventListener("pointerdown", (event) => {
    // The box keeps the focus.
    event.preventDefault();
    const at = [...list.children].indexOf(event.target.closest("li"));
    if (at >= 0) accept(at);
  });
  const open = {
    ArrowDown: () => choose(chosen + 1),
    ArrowUp: () => choose(chosen < 0 ? items.length - 1 : chosen - 1),
    Escape: close,
    Tab: () => accept(Math.max(chosen, 0)),
    Enter: () => accept(chosen),
  };
  box.addEventListener("keydown", (event) => {
    if (event.altKey || event.metaKey || event.isComposing) return;
    if (event.ctrlKey && event.key !== " ") return;
    const act = list.hidden || event.shiftKey ? null : open[event.key];
    // Enter asks, and Tab leaves the box, unless there is something to take.
    const takes = fresh && (chosen >= 0 || (event.key === "Tab" && range[0] < range[1]));
    if (act && (takes || !["Enter", "Tab"].includes(event.key))) {
      event.preventDefault();
      event.stopImmediatePropagation();
      act();
    } else if (list.hidden && (event.key === "ArrowDown" && box.selectionStart === box.value.length || (event.ctrlKey && event.key === " "))) {
      event.preventDefault();
      ask();
    } else if (["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) {
      close();
    } else if (["Enter", "Tab"].includes(event.key)) {
      close();
    }
  });
})();
