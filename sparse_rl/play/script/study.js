/* One environment on the page: its lanes, its slider, its buttons, and the words beside them. */
/* Three figures, or all those before the point. */
const brief = (number) => {
  const size = Math.abs(number);
  const decimals = Number.isInteger(number) || size >= 100 ? 0 : size >= 10 ? 1 : 2;
  return number.toFixed(decimals);
};
const grouped = (number) => number.toLocaleString("en");

/* One measurement at a time, of all environments. */
let TIMED = Promise.resolve();

class StudyView {
  constructor(section, study, places) {
    this.section = section;
    this.study = study;
    this.places = places;
    this.actors = study.levels.map(() => null);
    this.times = study.levels.map(() => null);
    this.ratios = study.levels.map(() => null); // to the largest, measured in turns
    this.tallies = study.levels.map(() => ({ sum: 0, episodes: 0 }));
    this.slider = this.part("slider");
    this.world = WORLDS[study.task];
  }

  part(name) {
    return this.section.querySelector(`[data-part=${name}]`);
  }

  /* Writes a text wherever the page has a place for it beside a lane. */
  say(lane, name, text) {
    for (const place of this.section.querySelectorAll(`[data-lane="${lane}"] [data-part=${name}]`)) {
      place.textContent = text;
    }
  }

  async start() {
    const { study } = this;
    this.actors = await Promise.all(study.levels.map((level) => actorOf(level, this.places)));
    const pens = [...this.section.querySelectorAll("canvas")].map((canvas) => new Pen(canvas));
    this.lanes = new Lanes(study, this.actors, pens, (lane) => this.score(lane), (lane) => this.count(lane));
    if (this.slider) {
      this.slider.addEventListener("input", () => this.choose(Number(this.slider.value)));
      for (const tick of this.section.querySelectorAll("[data-tick]")) {
        tick.addEventListener("click", () => this.choose(Number(tick.dataset.tick)));
      }
    }
    this.part("run").addEventListener("click", () => this.run(!this.lanes.running));
    this.part("again").addEventListener("click", () => this.again());
    this.part("push").addEventListener("click", () => this.lanes.push(Math.random() < 0.5 ? -1 : 1));
    this.part("rate").addEventListener("change", (event) => (this.lanes.rate = Number(event.target.value)));
    for (const { canvas } of pens) {
      canvas.addEventListener("pointerdown", (event) => {
        const box = canvas.getBoundingClientRect();
        this.lanes.push(event.clientX < box.left + box.width / 2 ? 1 : -1);
      });
    }
    this.part("hint").textContent = this.world.pushed;
    this.choose(study.first);
    this.section.dataset.ready = "";
  }

  run(running) {
    this.lanes.run(running);
    this.part("run").textContent = running ? "Pause" : "Play";
  }

  again() {
    this.lanes.seed += 1;
    this.lanes.begin();
  }

  choose(level) {
    const { slider, study } = this;
    const { name, size } = study.levels[level];
    if (slider) {
      slider.value = String(level);
      slider.setAttribute("aria-valuetext", `${name}, ${grouped(size)} bytes`);
    }
    for (const tick of this.section.querySelectorAll("[data-tick]")) {
      tick.classList.toggle("chosen", Number(tick.dataset.tick) === level);
    }
    for (const row of this.section.querySelectorAll("[data-row]")) {
      row.classList.toggle("chosen", Number(row.dataset.row) === level);
    }
    if (this.actors.length > 1) this.lanes.choose(level);
    this.lanes.levels.forEach((chosen, lane) => this.describe(lane, chosen));
    this.time(level);
  }

  /* What is known of a lane's actor without playing it. */
  describe(lane, number) {
    const level = this.study.levels[number], largest = this.study.levels[0];
    const times = largest.size / level.size;
    this.say(lane, "name", level.name);
    this.say(lane, "size", grouped(level.size));
    this.say(lane, "smaller", times > 1 ? `, ${brief(times)} times smaller` : "");
    this.say(lane, "weights", grouped(level.weights));
    this.say(lane, "numbers", level.numbers);
    this.say(lane, "recorded", [level.recorded, level.verdict].filter(Boolean).join(", ") || "-");
    const square = this.section.querySelector(`[data-lane="${lane}"] [data-part=square]`);
    square.style.width = `${100 * Math.sqrt(1 / times)}%`;
    this.tell(lane);
  }

  /* Times an actor once, beside the largest, a moment later: the slider does not wait for it. */
  time(number) {
    if (this.times[number] !== null) return;
    this.times[number] = NaN; // on its way
    TIMED = TIMED.then(async () => {
      const codes = this.world.codes && this.world.codes[this.study.actions];
      const timed = number === 0 ? [0] : [0, number];
      const found = await microseconds(timed.map((at) => this.actors[at]), this.world, codes);
      timed.forEach((at, place) => (this.times[at] = found[place]));
      this.ratios[number] = found[0] / found[found.length - 1];
      for (const at of timed) {
        for (const cell of this.section.querySelectorAll(`[data-time="${at}"]`)) {
          cell.textContent = `${brief(this.times[at])}\u00a0µs`;
        }
      }
      this.lanes.levels.forEach((_, lane) => this.tell(lane));
    });
  }

  /* What this browser has found of a lane's actor so far. */
  tell(lane) {
    const level = this.lanes.levels[lane], { sum, episodes } = this.tallies[level];
    const time = this.times[level], ratio = this.ratios[level];
    this.say(lane, "time", Number.isFinite(time) ? `${brief(time)}\u00a0µs` : "…\u00a0µs");
    this.say(lane, "faster", ratio > 1.1 ? `, ${brief(ratio)} times faster` : "");
    const plural = episodes === 1 ? "episode" : "episodes";
    this.say(lane, "here", episodes ? `${brief(sum / episodes)} (${episodes} ${plural})` : "no whole episode yet");
  }

  score(lane) {
    const { episodes } = this.lanes || {};
    if (!episodes) return;
    const { return: sum, steps, lost, ended } = episodes[lane];
    const place = this.section.querySelector(`[data-lane="${lane}"] [data-part=score]`);
    const end = lost ? `lost at step ${steps}` : ended ? `all ${steps} steps` : `step ${steps}`;
    place.textContent = `${brief(sum)}, ${end}`;
    place.classList.toggle("lost", Boolean(lost));
  }

  /* Only whole episodes of one actor, which nobody has pushed, count. */
  count(lane) {
    const episode = this.lanes.episodes[lane], level = this.lanes.levels[lane];
    if (!episode.own) return;
    if (lane && level === this.lanes.levels[0]) return; // the same episode twice
    const tally = this.tallies[level];
    tally.sum += episode.return;
    tally.episodes += 1;
    this.tell(lane);
  }
}
