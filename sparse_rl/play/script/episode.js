/* One episode of one actor. Episodes of the same seed start alike and are as sticky as each other. */
class Episode {
  constructor(study, seed) {
    this.study = study;
    this.world = WORLDS[study.task];
    this.codes = this.world.codes && this.world.codes[study.actions];
    const random = randomNumbers(seed);
    this.state = this.before = this.world.reset(random);
    this.sticks = () => study.sticky > 0 && random() < study.sticky;
    this.last = 0;
    this.return = 0;
    this.steps = 0;
    this.ended = false;
    this.level = null; // whose episode it is
    this.own = true; // played by one actor from beginning to end, and never pushed
  }

  step(actor, level) {
    if (this.ended) return;
    if (this.level !== null && this.level !== level) this.own = false;
    this.level = level;
    this.world.observe(this.state, actor.observation);
    const chosen = actor.act();
    this.last = this.sticks() ? this.last : chosen;
    const action = this.codes ? this.codes[this.last] : this.last;
    const { state, reward, ended } = this.world.step(this.state, action);
    this.before = this.state;
    this.state = state;
    this.return += reward;
    this.steps += 1;
    this.lost = ended;
    this.ended = ended || this.steps >= this.study.limit;
  }

  push(side) {
    if (this.ended) return;
    this.state = this.world.push(this.state, side);
    this.own = false;
  }

  draw(pen, share, colours) {
    this.world.draw(pen, this.before, this.state, this.ended ? 1 : share, colours);
  }
}
