/* Every world: reset(random), observe(state, into), step(state, action), push(state, side), draw. */
const WORLDS = {
  "Pendulum-v1": PENDULUM,
  "CartPole-v1": CARTPOLE,
  "Breakout-MinAtar": BREAKOUT,
};
