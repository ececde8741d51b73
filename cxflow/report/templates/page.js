"use strict";
// The page is whole without this script: it adds filters, tips and a switch between light and dark.
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  const byId = (id) => document.getElementById(id);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const on = (id, event, act) => byId(id)?.addEventListener(event, act);
  const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

  on("theme", "click", () => {
    const dark = root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });
  on("print", "click", () => print());
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = all("main > :not(#trends) details:not([open])");
    for (const each of closed) each.open = true;
  });
  addEventListener("afterprint", () => {
    for (const each of closed) each.open = false;
  });

  // A link to the line of a stream: what is below it says for which rules its records were refused.
  const openReasons = () => {
    if (!location.hash.startsWith("#stream-")) return;
    for (const each of all("#quality details")) each.open = true;
  };
  addEventListener("hashchange", openReasons);
  openReasons();

  // Show the items that pass, and say how many.
  const filter = (items, passes, count) => {
    let shown = 0;
    for (const item of items) {
      item.hidden = !passes(item);
      if (!item.hidden) shown += 1;
    }
    const output = count && byId(count);
    if (output) output.value = output.dataset.words.replace("%s", shown).replace("%a", items.length);
  };
  const value = (id) => byId(id)?.value ?? "";

  const rows = all(".kpis tbody tr");
  const filterKpis = () => {
    const wanted = plain(value("kpi-search"));
    const verdict = value("kpi-verdict");
    const passes = (row) =>
      plain(row.textContent).includes(wanted) && (!verdict || row.dataset.verdict === verdict);
    filter(rows, passes, "kpi-count");
  };
  on("kpi-search", "input", filterKpis);
  on("kpi-verdict", "change", filterKpis);
  filterKpis();

  const slices = all(".slice");
  const filterSlices = () => {
    const kpi = value("slice-kpi");
    const dimension = value("slice-dimension");
    const passes = (each) =>
      (!kpi || each.dataset.kpi === kpi) && (!dimension || each.dataset.dimension === dimension);
    filter(slices, passes);
  };
  on("slice-kpi", "change", filterSlices);
  on("slice-dimension", "change", filterSlices);
  filterSlices();

  const voices = all(".voice");
  const filterVoices = () => {
    const wanted = plain(value("voice-search"));
    const mood = value("voice-mood");
    const passes = (each) =>
      plain(each.textContent).includes(wanted) && (!mood || each.dataset.mood === mood);
    filter(voices, passes, "voice-count");
  };
  on("voice-search", "input", filterVoices);
  on("voice-mood", "change", filterVoices);
  filterVoices();

  const tip = byId("tip");
  document.addEventListener("pointermove", (event) => {
    const text = event.target.closest?.("[data-tip]")?.dataset.tip;
    tip.hidden = !text;
    if (!text) return;
    tip.textContent = text;
    const left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8);
    const above = event.clientY + 18 + tip.offsetHeight > innerHeight;
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${above ? event.clientY - tip.offsetHeight - 12 : event.clientY + 18}px`;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    tip.hidden = true;
    if (document.activeElement?.closest(".term")) document.activeElement.blur();
  });
})();
