/* Starts every environment of the page, and shows the one whose tab is chosen. */
const STUDIES = JSON.parse(document.getElementById("studies").textContent);
const VIEWS = [];

const still = matchMedia("(prefers-reduced-motion: reduce)");
const dark = matchMedia("(prefers-color-scheme: dark)");

function showStudy(shown) {
  VIEWS.forEach((view, number) => {
    view.section.hidden = number !== shown;
    if (number !== shown && view.lanes.running) view.run(false);
  });
  VIEWS[shown].lanes.show();
  VIEWS[shown].run(!still.matches);
}

async function startPage() {
  for (const [number, section] of [...document.querySelectorAll("section.study")].entries()) {
    const view = new StudyView(section, STUDIES.studies[number], STUDIES.places);
    VIEWS.push(view);
    await view.start();
  }
  for (const tab of document.querySelectorAll("input[name=study]")) {
    tab.addEventListener("change", () => showStudy(Number(tab.value)));
  }
  const redraw = () => {
    for (const { lanes } of VIEWS) {
      lanes.colours = pageColours();
      lanes.show();
    }
  };
  dark.addEventListener("change", redraw);
  window.addEventListener("resize", redraw);
  const chosen = document.querySelector("input[name=study]:checked");
  showStudy(chosen ? Number(chosen.value) : 0);
}

const STARTED = startPage().catch((error) => {
  const line = document.getElementById("trouble");
  line.hidden = false;
  line.textContent = `The actors cannot play in this browser: ${error.message}`;
  throw error;
});
