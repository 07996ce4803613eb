/* CartPole-v1: actions 0 (left) and 1 (right). Euler's equations as in gymnax and Gymnasium. */
const CARTPOLE = {
  stepsPerSecond: 50,
  pushed: "Click or tap on a picture to push the poles.",

  reset(random) {
    const small = () => between(random, -0.05, 0.05);
    return { x: small(), speed: small(), theta: small(), turning: small() };
  },

  observe(state, into) {
    into[0] = state.x;
    into[1] = state.speed;
    into[2] = state.theta;
    into[3] = state.turning;
  },

  step(state, action) {
    const force = action === 1 ? 10 : -10;
    const cosine = Math.cos(state.theta), sine = Math.sin(state.theta);
    const pushed = (force + 0.05 * state.turning ** 2 * sine) / 1.1;
    const turn = (9.8 * sine - cosine * pushed) / (0.5 * (4 / 3 - (0.1 * cosine ** 2) / 1.1));
    const acceleration = pushed - (0.05 * turn * cosine) / 1.1;
    const next = {
      x: state.x + 0.02 * state.speed,
      speed: state.speed + 0.02 * acceleration,
      theta: state.theta + 0.02 * state.turning,
      turning: state.turning + 0.02 * turn,
    };
    const ended = Math.abs(next.x) > 2.4 || Math.abs(next.theta) > Math.PI / 15;
    return { state: next, reward: 1, ended };
  },

  push(state, side) {
    return { ...state, turning: state.turning - 0.7 * side };
  },

  draw(pen, before, now, share, colours) {
    const x = before.x + share * (now.x - before.x);
    const theta = before.theta + share * (now.theta - before.theta);
    pen.view(0, 0.5, 5.4, 2);
    pen.line([[-2.4, -0.13], [2.4, -0.13]], 0.025, colours.grid);
    for (const end of [-2.4, 2.4]) pen.line([[end, -0.22], [end, -0.04]], 0.035, colours.faint);
    pen.box(x - 0.3, -0.13, 0.6, 0.26, 0.06, colours.blue);
    pen.line([[x, 0.07], [x + 1.2 * Math.sin(theta), 0.07 + 1.2 * Math.cos(theta)]], 0.11, colours.rod);
    pen.disc(x, 0.07, 0.05, colours.paper);
  },
};
