"use strict";
// Words come from streams that anybody may publish: they are only ever set as textContent.
window.eegd = (() => {
  const GAINS = [5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000];
  const STALE = 3000; // ms without news from `eegd dashboard` until that is said
  const AGAIN = 30000; // ms until the page starts over, if that answers at all
  const $ = (id) => document.getElementById(id);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const chosen = { paused: false, gain: 50, picked: null };
  let theme = localStorage.getItem("eegd-theme"); // null: as the system
  let heard = Date.now();
  let asking = false;
  let said = null;

  function text(element, value) {
    if (element.textContent !== value) element.textContent = value;
  }

  function paint() {
    document.documentElement.dataset.theme = theme ?? (dark.matches ? "dark" : "light");
    send();
  }

  // What the server says, and what is said to it: see `Page` in document.py.
  function sources() {
    return window.Bokeh?.documents[0]?.get_model_by_name("scope")?.tags ?? [];
  }

  // News that came before this page listened, with the document itself, tell nobody of themselves.
  function catchUp() {
    const [source] = sources();
    const news = source?.data.json[0] ? JSON.parse(source.data.json[0]) : null;
    if (news && news.number !== said?.number) show(news);
  }

  // To the server, which draws: what is chosen, and the colours of page.css.
  function send() {
    const [, controls] = sources();
    if (!controls) return;
    const style = getComputedStyle(document.documentElement);
    const colours = ["ink", "dim", "line", "accent", "muted", "warn"].map((name) => [
      name,
      style.getPropertyValue(`--${name}`).trim(),
    ]);
    const json = JSON.stringify({ ...chosen, seen: said?.number ?? 0, ...Object.fromEntries(colours) });
    if (controls.data.json[0] !== json) controls.data = { json: [json] };
  }

  function show(news) {
    if (said === null) paint();
    said = news;
    heard = Date.now();
    stale();
    document.body.dataset.kind = news.state.kind;
    text($("sign"), news.state.sign);
    text($("headline"), news.state.headline);
    text($("lasting"), news.state.lasting);
    text($("detail"), news.state.detail);
    text($("clock"), news.clock);
    for (const element of document.querySelectorAll("[data-fact]")) {
      if (element.dataset.fact in news.facts) text(element, news.facts[element.dataset.fact]);
    }
    document.querySelector(".hash").title = news.facts.sha256;
    text($("fit"), { true: "✓ fits", false: "✕ does not fit", null: "not known" }[news.fits]);
    $("fit").className = { true: "yes", false: "no", null: "" }[news.fits];
    $("bad").className = Object.keys(news.bad).length ? "some" : "";
    decision(news);
    classes(news);
    abstentions(news.abstentions);
    picker(news);
    $("pause").setAttribute("aria-pressed", String(chosen.paused));
    text($("gain"), `${chosen.gain} µV`);
    send(); // that these were shown: the server waits for it
  }

  // An old decision is never shown as if it were the present one.
  function decision({ state, decision, classes }) {
    const live = state.kind === "good";
    const words = { abstaining: "abstains", waiting: "waiting", lost: "no answer" };
    const label = live ? (decision.label ?? "undecided") : words[state.kind];
    const element = $("label");
    if (element.textContent !== label) {
      // A line may break after an underscore.
      element.replaceChildren(
        ...label.split(/(?<=_)/).flatMap((part) => [part, document.createElement("wbr")])
      );
    }
    element.className = [
      !live || decision.label === null ? "words" : "",
      label.split("_").some((part) => part.length > 8) ? "long" : "",
    ].join(" ");
    element.dataset.sequence = decision.sequence ?? "";
    element.dataset.stamp = decision.stamp ?? "";
    const p = Object.fromEntries(classes)[decision.label];
    const age = decision.age === null ? "" : `, ${decision.age.toFixed(0)} s ago`;
    text($("sure"), live && p != null ? `${(100 * p).toFixed(0)} %` : live ? "" : age && `last word${age.replace(",", "")}`);
  }

  function classes({ state, decision, classes }) {
    const list = $("bars");
    if (list.childElementCount !== classes.length) {
      list.replaceChildren(...classes.map(() => {
        const row = document.createElement("li");
        for (const part of ["mark", "name", "bar", "p"]) {
          row.append(Object.assign(document.createElement("span"), { className: part }));
        }
        const fill = Object.assign(document.createElement("div"), { className: "fill" });
        row.children[2].append(fill);
        return row;
      }));
    }
    classes.forEach(([name, known], n) => {
      const row = list.children[n];
      const [mark, label, bar, percent] = row.children;
      const p = state.kind === "good" ? known : null;
      const best = p !== null && name === decision.label;
      row.className = best ? "best" : "";
      row.dataset.class = name;
      row.dataset.p = p ?? "";
      text(mark, best ? "▶" : "");
      text(label, name);
      label.title = name;
      bar.firstChild.style.width = `${100 * Math.min(Math.max(p ?? 0, 0), 1)}%`;
      text(percent, p === null ? "–" : `${(100 * p).toFixed(0)} %`);
    });
  }

  function abstentions(found) {
    const lines = found.map(([first, last, count, reason]) => {
      const line = document.createElement("li");
      const time = document.createElement("time");
      time.textContent = first === last ? first : `${first} – ${last} (${count})`;
      line.append(time, ` ${reason}`);
      return line;
    });
    if (!lines.length) lines.push(Object.assign(document.createElement("li"), { textContent: "none" }));
    const list = $("abstentions");
    if (list.textContent !== lines.map((line) => line.textContent).join("")) list.replaceChildren(...lines);
  }

  function picker({ channels, shown, bad }) {
    const box = $("picker");
    const names = ["Model's", "None", ...channels];
    if (names.some((name, n) => box.children[n]?.dataset.name !== name) || names.length !== box.childElementCount) {
      box.replaceChildren(...names.map((name, n) => {
        const button = Object.assign(document.createElement("button"), { type: "button" });
        button.dataset.name = name;
        button.addEventListener("click", () => pick(n - 2));
        return button;
      }));
    }
    names.forEach((name, n) => {
      const button = box.children[n];
      text(button, name in bad ? `✕ ${name}` : name);
      if (n > 1) button.setAttribute("aria-pressed", String(shown.includes(n - 2)));
    });
  }

  function pick(channel) {
    if (channel === -2) chosen.picked = null;
    else if (channel === -1) chosen.picked = [];
    else {
      const shown = new Set(chosen.picked ?? said?.shown ?? []);
      if (!shown.delete(channel)) shown.add(channel);
      chosen.picked = [...shown].sort((a, b) => a - b);
    }
    if (said) picker({ ...said, shown: chosen.picked ?? said.shown });
    send();
  }

  function pause() {
    chosen.paused = !chosen.paused;
    $("pause").setAttribute("aria-pressed", String(chosen.paused));
    send();
  }

  function scale(steps) {
    const at = GAINS.indexOf(chosen.gain) + steps;
    chosen.gain = GAINS[Math.min(Math.max(at, 0), GAINS.length - 1)];
    text($("gain"), `${chosen.gain} µV`);
    send();
  }

  function fold(button, part, open = $(part).hidden) {
    $(part).hidden = !open;
    $(button).setAttribute("aria-expanded", String(open));
  }

  function turn() {
    theme = { light: "dark", dark: null, null: "light" }[theme];
    if (theme === null) localStorage.removeItem("eegd-theme");
    else localStorage.setItem("eegd-theme", theme);
    paint();
  }

  // The page itself may be cut off: say so, and start over when `eegd dashboard` answers again.
  async function stale() {
    const silent = Date.now() - heard;
    const old = silent > STALE;
    $("stale").hidden = !old;
    document.body.toggleAttribute("data-stale", old);
    if (!old) return;
    text($("silent"), ` (${Math.round(silent / 1000)} s)`);
    if (silent < AGAIN || asking) return;
    asking = true; // of a small file: a page is work for the server
    const answer = await fetch("static/js/bokeh-api.min.js", { method: "HEAD", cache: "no-store" }).catch(() => null);
    asking = false;
    if (answer?.ok && Date.now() - heard > AGAIN) location.reload();
  }

  addEventListener("DOMContentLoaded", () => {
    document.documentElement.dataset.theme = theme ?? (dark.matches ? "dark" : "light");
    dark.addEventListener("change", paint);
    setInterval(stale, 1000);
    setInterval(catchUp, 500);
    const actions = {
      theme: turn, pause, smaller: () => scale(1), larger: () => scale(-1),
      help: () => fold("help", "keys"), pick: () => fold("pick", "picker"),
    };
    for (const [id, action] of Object.entries(actions)) $(id).addEventListener("click", action);
    const keys = {
      " ": pause, "-": actions.smaller, "+": actions.larger, "=": actions.larger, d: turn,
      c: actions.pick, "?": actions.help,
      Escape: () => { fold("help", "keys", false); fold("pick", "picker", false); },
    };
    addEventListener("keydown", (event) => {
      const onButton = event.target instanceof HTMLButtonElement && [" ", "Enter"].includes(event.key);
      const action = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
      if (!action || onButton || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      action();
    });
  });
  return { show };
})();
