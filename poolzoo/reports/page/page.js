// The page's tables, and its scheme. A table is whole without this; here it learns to sort, to filter by family and
// text, to hide columns, to show its numbers against an operator of the reader's choice, and to be copied.
(() => {
  "use strict";

  const MISSING = "\u2013";
  const make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };

  // What a cell says without its mark, its tag and its uncertainty, and that uncertainty.
  const texts = (cell) => {
    const own = [...cell.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE || node.localName === "bdi");
    const plus = cell.querySelector("small");
    return { text: own.map((node) => node.textContent).join("").trim(), plus: plus ? plus.textContent.trim() : "" };
  };

  const decimals = (text) => (text.replace("%", "").split(".")[1] || "").length;
  const infinite = (text) => text.replace("Infinity", "\u221e");

  const against = {
    difference(value, base, text, digits) {
      const percent = text.endsWith("%");
      const change = value === base ? 0 : (value - base) * (percent ? 100 : 1);
      const shown = infinite(change.toFixed(digits));
      const number = /[1-9\u221e]/.test(shown) ? (change > 0 ? "+" : "") + shown : shown.replace("-", "");
      return { value: change, text: percent ? `${number} pp` : number };
    },
    ratio(value, base) {
      const ratio = value === base ? 1 : value / base;
      return { value: ratio, text: `${infinite(Math.abs(ratio) < 0.1 ? ratio.toPrecision(2) : ratio.toFixed(2))}x` };
    },
  };

  class Grid {
    constructor(table) {
      this.table = table;
      this.body = table.tBodies[0];
      this.lines = [...this.body.rows].map((row, place) => ({
        row,
        place,
        name: row.cells[0].dataset.name,
        family: row.dataset.family || "",
        fold: row.dataset.fold || "",
        words: row.textContent.toLowerCase(),
        cells: [...row.cells].map((cell) => {
          const value = cell.dataset.v === undefined ? null : Number(cell.dataset.v);
          const said = texts(cell);
          return { cell, ...said, measured: said, value, shown: value, nodes: [...cell.childNodes] };
        }),
      }));
      this.columns = [...table.tHead.rows[0].cells].map((head, index) => ({
        head,
        index,
        title: head.textContent.trim(),
        of: head.dataset.of || "",
        suffix: "",
        number: head.classList.contains("n"),
        better: head.dataset.better || "",
        relative: "relative" in head.dataset,
        scaled: "scaled" in head.dataset,
        wanted: !("aside" in head.dataset),
      }));
      for (const column of this.columns) column.full = this.fullTitle(column);
      this.sorted = { index: -1, down: false };
      this.addSorting();
      this.addFolds();
      table.closest(".frame").querySelector(".scroll").before(this.tools());
      this.show();
      this.filter();
    }

    // Where several columns have one title, as "vs avg", with that of the column that each of them says more of.
    fullTitle({ title, of }) {
      const several = this.columns.filter((other) => other.title === title || (of && other.of && other.of !== of)).length > 1;
      return several && of ? `${of}: ${title}` : title;
    }

    // Rows that a reader does not need first stand under lines that open.
    addFolds() {
      this.folds = ["same", "rest"].filter((key) => this.lines.some((line) => line.fold === key)).map((key) => {
        const words = this.table.getAttribute(`data-fold-${key}`) || "More rows";
        const button = make("button", { type: "button", className: "opener", textContent: words });
        button.setAttribute("aria-expanded", "false");
        const fold = { key, button, words, open: false };
        button.addEventListener("click", () => this.open(fold, !fold.open));
        return fold;
      });
      if (!this.folds.length) return;
      const cells = this.folds.map(({ button }) => make("td", { colSpan: this.columns.length }, make("span", { className: "opens" }, button)));
      this.table.append(make("tbody", { className: "folds" }, ...cells.map((cell) => make("tr", {}, cell))));
    }

    open(fold, open) {
      fold.open = open;
      fold.button.setAttribute("aria-expanded", String(open));
      fold.button.textContent = open ? fold.words.replace(/^Show all .*/, "Show fewer rows") : fold.words;
      if (fold.key === "rest" && open) for (const other of this.folds) if (!other.open) this.open(other, true);
      this.filter();
    }

    addSorting() {
      for (const column of this.columns) {
        column.button = make("button", { type: "button", className: "sort", textContent: column.title });
        if (column.full !== column.title) column.button.setAttribute("aria-label", column.full);
        column.button.addEventListener("click", () => this.sortBy(column));
        column.head.replaceChildren(column.button);
      }
    }

    // Best first, then worst first, then as the page had it.
    sortBy(column) {
      const first = column.number && column.better !== "low";
      const { index, down } = this.sorted;
      if (index !== column.index) this.sorted = { index: column.index, down: first };
      else if (down === first) this.sorted = { index, down: !first };
      else this.sorted = { index: -1, down: false };
      this.order();
      const now = this.sorted.index < 0 ? "in the page's order" : this.sorted.down ? "descending" : "ascending";
      this.say(`Sorted by ${column.full}${column.suffix}, ${now}.`);
    }

    order() {
      const { index, down } = this.sorted;
      for (const column of this.columns) {
        if (column.index === index) column.head.setAttribute("aria-sort", down ? "descending" : "ascending");
        else column.head.removeAttribute("aria-sort");
      }
      const key = (line) => {
        const { shown, text } = line.cells[index];
        if (!this.columns[index].number) return text.toLowerCase();
        return shown === null || Number.isNaN(shown) ? null : shown;
      };
      const lines = [...this.lines].sort((a, b) => {
        if (index < 0) return a.place - b.place;
        const [left, right] = [key(a), key(b)];
        if (left === right) return a.place - b.place;
        if (left === null || right === null) return left === null ? 1 : -1; // what is missing stands last either way
        return (left < right ? -1 : 1) * (down ? -1 : 1);
      });
      this.body.append(...lines.map((line) => line.row));
      this.inOrder = lines;
    }

    tools() {
      const tools = make("div", { className: "tools", role: "group" });
      tools.setAttribute("aria-label", "Tools for the table below");

      this.search = make("input", { type: "search", placeholder: "Filter", autocomplete: "off" });
      this.search.setAttribute("aria-label", "Show rows that contain this text");
      this.search.addEventListener("input", () => this.filter());
      tools.append(this.search);

      const families = [...new Set(this.lines.map((line) => line.family).filter(Boolean))].sort();
      this.family = make("select", {}, new Option("all families", ""), ...families.map((name) => new Option(name, name)));
      this.family.setAttribute("aria-label", "Show operators of this family");
      this.family.addEventListener("change", () => this.filter());
      if (families.length > 1) tools.append(this.family);

      if (this.lines.length > 1 && this.columns.some((column) => column.number)) tools.append(this.comparing());
      tools.append(this.columnMenu(), this.copying());
      this.status = make("output");
      tools.append(this.status);
      this.byHand = make("textarea", { className: "byhand", readOnly: true, hidden: true });
      this.byHand.setAttribute("aria-label", "The table as text, to copy by hand");
      tools.append(this.byHand);
      return tools;
    }

    comparing() {
      const modes = [["as measured", ""], ["difference to", "difference"]];
      if (this.columns.some((column) => column.scaled)) modes.push(["ratio to", "ratio"]);
      this.mode = make("select", {}, ...modes.map(([text, value]) => new Option(text, value)));
      this.mode.setAttribute("aria-label", "How to show the numbers");
      const options = this.lines.map((line) => {
        const state = line.row.dataset.state;
        return new Option(state && state !== "fixed" ? `${line.name} (${state})` : line.name, line.place);
      });
      this.base = make("select", {}, ...options);
      this.base.setAttribute("aria-label", "Operator to compare with");
      const own = this.lines.find((line) => line.row.classList.contains("baseline"));
      this.base.value = String(own ? own.place : 0);
      this.base.hidden = true;
      for (const select of [this.mode, this.base]) select.addEventListener("change", () => this.compare());
      return make("span", {}, "Numbers", this.mode, this.base);
    }

    compare() {
      const mode = this.mode.value;
      const base = this.lines[Number(this.base.value)];
      const digits = this.columns.map((column) => Math.max(...this.lines.map((line) => decimals(line.cells[column.index].measured.text))));
      this.base.hidden = !mode;
      for (const line of this.lines) {
        line.cells.forEach((item, index) => {
          if (item.value === null && item.measured.text !== MISSING) return;
          if (!mode) {
            Object.assign(item, item.measured, { shown: item.value });
            item.cell.replaceChildren(...item.nodes);
            return;
          }
          const other = base.cells[index].value;
          const told = item.value === null || other === null ? null : against[mode](item.value, other, item.measured.text, digits[index]);
          const known = told !== null && !Number.isNaN(told.value);
          Object.assign(item, { shown: known ? told.value : null, text: known ? told.text : MISSING, plus: "" });
          item.cell.replaceChildren(...item.cell.querySelectorAll(".mark"), item.text);
        });
      }
      const sign = { difference: " \u2212 ", ratio: " / " }[mode];
      for (const column of this.columns) {
        column.suffix = mode && column.number ? sign + base.name : "";
        column.button.textContent = column.title + column.suffix;
      }
      this.show();
      this.order();
      this.say(mode ? `Numbers are the ${mode} to ${base.name}.` : "Numbers are as measured.");
    }

    columnMenu() {
      const boxes = this.columns.slice(1).map((column) => {
        const box = make("input", { type: "checkbox", checked: true });
        box.addEventListener("change", () => {
          column.wanted = box.checked;
          this.show();
          this.say(`${column.full} is ${box.checked ? "shown" : "hidden"}.`);
        });
        return make("label", {}, box, column.full);
      });
      const menu = make("details", {}, make("summary", { textContent: "Columns" }), make("div", { className: "menu" }, ...boxes));
      menu.addEventListener("keydown", (event) => {
        if (event.key === "Escape" && menu.open) {
          menu.open = false;
          menu.querySelector("summary").focus();
        }
      });
      document.addEventListener("click", (event) => {
        if (!menu.contains(event.target)) menu.open = false;
      });
      return menu;
    }

    // Columns that are relative already say nothing more as differences or ratios, nor does a ratio of decibels.
    show() {
      const mode = this.mode ? this.mode.value : "";
      for (const column of this.columns) {
        column.visible = column.wanted && !(mode && column.relative) && !(mode === "ratio" && column.number && !column.scaled);
        column.head.hidden = !column.visible;
        for (const line of this.lines) line.cells[column.index].cell.hidden = !column.visible;
      }
      this.inOrder = this.inOrder || this.lines;
    }

    filter() {
      const wanted = this.search.value.trim().toLowerCase();
      const family = this.family.value, asked = Boolean(wanted || family);
      let count = 0;
      for (const line of this.lines) {
        const closed = !asked && this.folds.some((fold) => fold.key === line.fold && !fold.open);
        line.row.hidden = closed || !(line.words.includes(wanted) && (!family || line.family === family));
        count += !line.row.hidden;
      }
      for (const { button } of this.folds) button.closest("tr").hidden = asked;
      this.say(count === this.lines.length ? "" : `${count} of ${this.lines.length} rows shown.`);
    }

    copying() {
      const buttons = Object.keys(formats).map((name) => {
        const button = make("button", { type: "button", textContent: name });
        button.setAttribute("aria-label", `Copy as ${name}`);
        button.addEventListener("click", () => this.copy(name));
        return button;
      });
      return make("span", {}, "Copy", make("span", { className: "joined" }, ...buttons));
    }

    async copy(name) {
      const columns = this.columns.filter((column) => column.visible);
      const lines = this.inOrder.filter((line) => !line.row.hidden);
      const text = formats[name](
        columns.map((column) => ({ text: column.full + column.suffix, number: column.number })),
        lines.map((line) => columns.map((column) => {
          const { cell, text: said, plus } = line.cells[column.index];
          return { text: said, plus, best: cell.classList.contains("best") };
        })),
      );
      this.byHand.hidden = true;
      if (await put(text)) {
        this.say(`Copied ${lines.length} rows as ${name}.`);
        return;
      }
      this.byHand.value = text;
      this.byHand.hidden = false;
      this.byHand.select();
      this.say("The browser does not let the page copy: here is the text to copy by hand.");
    }

    say(text) {
      this.status.textContent = text;
    }
  }

  // A page that was opened from disk may lack the clipboard; then the old way, and else the reader's own hand.
  const put = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      const area = make("textarea", { value: text, readOnly: true });
      area.setAttribute("aria-hidden", "true");
      const focused = document.activeElement;
      document.body.append(area);
      area.select();
      const done = document.execCommand("copy");
      area.remove();
      if (focused) focused.focus();
      return done;
    }
  };

  const LATEX = {
    "\\": "\\textbackslash{}", "{": "\\{", "}": "\\}", "&": "\\&", "%": "\\%", $: "\\$", "#": "\\#", _: "\\_",
    "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "<": "\\textless{}", ">": "\\textgreater{}",
    "|": "\\textbar{}", '"': "''", "[": "{[}", "\u00b1": "$\\pm$", "\u00b5": "$\\mu$", "\u221e": "$\\infty$", "\u2212": "$-$",
    "\u2013": "--", "\u2020": "\\dag{}", "\u2021": "\\ddag{}", "\u00d7": "$\\times$",
  };
  const latex = (text) => text.replace(/[\\{}[&%$#_~^<>|"\u00b1\u00b5\u221e\u2212\u2013\u2020\u2021\u00d7]/g, (char) => LATEX[char]);
  const minus = (text) => latex(text.replace(/^-/, "\u2212"));
  const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const markdown = (text) =>
    text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/[\\`*|[\]~$#_]/g, "\\$&");
  const whole = ({ text, plus }) => (plus ? `${text} ${plus}` : text);

  const formats = {
    // Numbers alone: units go into the head, what a value is uncertain by is a column of its own, and the daggers go.
    CSV(heads, lines) {
      const extra = heads.map((_, index) => lines.some((line) => line[index].plus));
      const unit = heads.map((head, index) => (head.number && (lines.map((line) => line[index].text.match(/%$| pp$/)).find(Boolean) || [""])[0].trim()) || "");
      const titles = heads.map((head, index) => `${head.text} ${unit[index]}`.trim());
      const number = (text) => text.replace(/(x|%| pp)$/, "").replace("\u221e", "inf");
      const plain = ({ text }, index) => (text === MISSING ? "" : heads[index].number ? number(text) : text.replace(/ [\u2020\u2021]$/, ""));
      const rows = [
        titles.flatMap((title, index) => (extra[index] ? [title, `${title} \u00b1`] : [title])),
        ...lines.map((line) =>
          line.flatMap((cell, index) => (extra[index] ? [plain(cell, index), number(cell.plus.replace("\u00b1", ""))] : [plain(cell, index)]))),
      ];
      return rows.map((row) => row.map(quoted).join(",") + "\n").join("");
    },
    Markdown(heads, lines) {
      const row = (cells) => `| ${cells.join(" | ")} |\n`;
      const cell = (item) => (item.best ? `**${markdown(whole(item))}**` : markdown(whole(item)));
      const rule = heads.map((head) => (head.number ? "---:" : ":---"));
      return row(heads.map((head) => markdown(head.text))) + row(rule) + lines.map((line) => row(line.map(cell))).join("");
    },
    LaTeX(heads, lines) {
      const row = (cells) => `  ${cells.join(" & ")} \\\\\n`;
      const cell = (item) => (item.best ? `\\textbf{${minus(whole(item))}}` : minus(whole(item)));
      const body = lines.map((line) => row(line.map(cell))).join("");
      const layout = heads.map((head) => (head.number ? "r" : "l")).join("");
      return `% \\usepackage{booktabs}\n\\begin{tabular}{${layout}}\n  \\toprule\n${row(heads.map((head) => latex(head.text)))}` +
        `  \\midrule\n${body}  \\bottomrule\n\\end{tabular}\n`;
    },
  };

  for (const table of document.querySelectorAll("table.grid")) {
    const closed = table.closest("details:not([open])");
    if (closed) closed.addEventListener("toggle", () => new Grid(table), { once: true });
    else new Grid(table);
  }

  // A link to a part that is closed opens it.
  const reveal = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let fold = target && target.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    if (target) target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  for (const link of document.querySelectorAll("a[href^='#']")) link.addEventListener("click", () => setTimeout(reveal));
  reveal();

  const button = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (document.documentElement.dataset.theme || (system.matches ? "dark" : "light")) === "dark";
  const name = () => { button.textContent = dark() ? "Light" : "Dark"; };
  button.addEventListener("click", () => {
    document.documentElement.dataset.theme = dark() ? "light" : "dark";
    name();
  });
  system.addEventListener("change", name);
  name();
  button.hidden = false;
})();
