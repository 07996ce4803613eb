/* Pendulum-v1: theta 0 is upright; the action is a torque. Equations as in gymnax and Gymnasium. */
const PENDULUM = {
  stepsPerSecond: 20,
  pushed: "Click or tap on a picture to push the pendulums.",

  reset(random) {
    return { theta: between(random, -Math.PI, Math.PI), speed: between(random, -1, 1), torque: 0 };
  },

  observe(state, into) {
    into[0] = Math.cos(state.theta);
    into[1] = Math.sin(state.theta);
    into[2] = state.speed;
  },

  step(state, action) {
    const torque = clamp(action, -2, 2);
    const turn = 2 * Math.PI;
    const angle = ((((state.theta + Math.PI) % turn) + turn) % turn) - Math.PI;
    const reward = -(angle ** 2 + 0.1 * state.speed ** 2 + 0.001 * torque ** 2);
    const gain = (15 * Math.sin(state.theta) + 3 * torque) * 0.05;
    const speed = clamp(state.speed + gain, -8, 8);
    return { state: { theta: state.theta + 0.05 * speed, speed, torque }, reward, ended: false };
  },

  /* Pushed away from the side at which the pointer is: `side` is -1 (left) or 1. */
  push(state, side) {
    const upright = Math.cos(state.theta) >= 0 ? 1 : -1;
    return { ...state, speed: clamp(state.speed + 5 * side * upright, -8, 8) };
  },

  draw(pen, before, now, share, colours) {
    const theta = before.theta + share * (now.theta - before.theta);
    pen.view(0, 0, 2.6, 2.6);
    pen.ring(0, 0, 1.12, 0.012, colours.grid);
    if (Math.abs(now.torque) > 0.02) {
      const reach = (now.torque * Math.PI) / 3;
      pen.arc(0, 0, 0.42, Math.PI / 2, Math.PI / 2 + reach, 0.055, colours.orange);
    }
    pen.line([[0, 0], [-Math.sin(theta), Math.cos(theta)]], 0.17, colours.rod);
    pen.disc(0, 0, 0.055, colours.ink);
  },
};
