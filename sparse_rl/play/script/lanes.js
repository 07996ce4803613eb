/* The pictures side by side: the largest actor, and the one that the slider has chosen. */
const PAUSE_BETWEEN = 1100; // milliseconds after both episodes have ended

class Lanes {
  /* `told(lane)` is called when an episode has moved, `done(lane)` when one has ended. */
  constructor(study, actors, pens, told, done) {
    Object.assign(this, { study, actors, pens, told, done });
    this.levels = pens.map(() => 0);
    this.seed = 1;
    this.rate = 1;
    this.running = false;
    this.colours = pageColours();
    this.begin();
  }

  /* Both from the start that follows from the seed. */
  begin() {
    this.owed = 0;
    this.since = null;
    this.episodes = this.pens.map(() => new Episode(this.study, this.seed));
    this.show();
  }

  /* The second lane goes on with another actor, from the start again where it has ended. */
  choose(level) {
    const lane = this.levels.length - 1;
    if (this.levels[lane] === level) return;
    this.levels[lane] = level;
    if (this.episodes[lane].ended) this.begin();
    else this.show();
  }

  push(side) {
    for (const episode of this.episodes) episode.push(side);
    this.show();
  }

  run(running) {
    this.running = running;
    this.then = null;
    if (running) this.ask();
  }

  ask() {
    this.asked = this.asked || requestAnimationFrame((now) => this.frame(now));
  }

  frame(now) {
    this.asked = null;
    if (!this.running) return;
    const passed = this.then === null ? 0 : Math.min(now - this.then, 100);
    this.then = now;
    if (this.episodes.every((episode) => episode.ended)) {
      this.since = this.since === null ? now : this.since;
      if (now - this.since > PAUSE_BETWEEN) {
        this.seed += 1;
        this.begin();
      }
    } else {
      this.owed += (passed / 1000) * this.rate * this.episodes[0].world.stepsPerSecond;
      for (; this.owed >= 1; this.owed -= 1) this.step();
    }
    this.show();
    this.ask();
  }

  step() {
    this.episodes.forEach((episode, lane) => {
      if (episode.ended) return;
      episode.step(this.actors[this.levels[lane]], this.levels[lane]);
      if (episode.ended) this.done(lane);
    });
  }

  show() {
    this.episodes.forEach((episode, lane) => {
      episode.draw(this.pens[lane], this.owed, this.colours);
      this.told(lane);
    });
  }
}
