// Doses are linear in the activity of every injection: sums of products, as in the plan itself.
"use strict";
(() => {
  const plan = JSON.parse(document.getElementById("slider-data").textContent);
  const inputs = plan.injections.map((_, j) => document.getElementById(`activity-${j}`));
  const outputs = inputs.map((input) => input.parentElement.querySelector("output"));
  const number = (value) => (value === 0 ? "0" : Number(value.toPrecision(4)).toString());
  let activities = plan.injections.map((one) => one.planned);

  const named = (row, text) => {
    const one = row.appendChild(document.createElement("th"));
    one.scope = "row";
    one.textContent = text;
    return one;
  };
  const cell = (row, text, css) => {
    const one = row.insertCell();
    one.textContent = text;
    if (css) one.className = css;
    return one;
  };
  const fresh = (id) => {
    const body = document.querySelector(`#${id} tbody`);
    body.textContent = "";
    return body;
  };
  const status = (aim, dose) => {
    const slack = 1e-9 * aim.value;
    const met = aim.below ? dose <= aim.value + slack : dose >= aim.value - slack;
    return aim.open && (met || !aim.below) ? "unconfirmed" : met ? "met" : "not met";
  };
  const marks = { met: "✓", "not met": "✕", unconfirmed: "?" };

  function show() {
    const doses = new Map(
      plan.regions.map((one) => [one.name, one.perGbq.reduce((sum, gy, j) => sum + gy * activities[j], 0)]),
    );
    const table = fresh("slider-doses");
    for (const one of plan.regions) {
      const dose = doses.get(one.name);
      const row = table.insertRow();
      named(row, one.label).dataset.region = one.name;
      cell(row, number(dose), "number").dataset.gy = dose;
    }
    const rows = plan.aims.map((aim) => {
      const dose = doses.get(aim.region);
      const share = dose > 0 ? Math.max(aim.value - aim.previous, 0) / dose : Infinity;
      return { aim, share, status: status(aim, dose + aim.previous) };
    });
    const list = fresh("slider-aims");
    for (const one of rows) {
      const row = list.insertRow();
      cell(row).innerHTML = `<span class="status ${one.status.replace(" ", "-")}"></span>`;
      row.cells[0].firstChild.textContent = `${marks[one.status]} ${one.status}`;
      named(row, one.aim.text).title = one.aim.condition;
      cell(row, Number.isFinite(one.share) ? `${number(100 * one.share)} %` : "–", "number");
    }
    const limits = rows.filter((one) => one.aim.below).sort((a, b) => a.share - b.share);
    const total = activities.reduce((sum, a) => sum + a, 0);
    const line = document.getElementById("slider-binding");
    line.textContent = limits.length && Number.isFinite(limits[0].share)
      ? `${number(total)} GBq net. First limit in this split: ${limits[0].aim.text}, at ${number(total * limits[0].share)} GBq`
        + (limits[0].aim.open ? " (unconfirmed)." : ".")
      : `${number(total)} GBq net.`;
    inputs.forEach((input, j) => {
      outputs[j].textContent = `${number(activities[j])} GBq`;
      outputs[j].dataset.gbq = activities[j];
      input.setAttribute("aria-valuetext", outputs[j].textContent);
    });
  }
  const place = () => inputs.forEach((input, j) => {
    input.value = Math.round((1000 * activities[j]) / plan.injections[j].greatest);
  });
  inputs.forEach((input, j) => input.addEventListener("input", () => {
    activities[j] = (input.valueAsNumber / 1000) * plan.injections[j].greatest;
    show();
  }));
  document.getElementById("slider-reset").addEventListener("click", () => {
    activities = plan.injections.map((one) => one.planned);
    place();
    show();
  });
  place();
  show();
})();
