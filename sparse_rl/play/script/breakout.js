/* MinAtar's Breakout as gymnax plays it: 10 x 10 cells, planes paddle, ball, trail, bricks.
   An action's code is 1 (left), 3 (right) or another (stay). */
const BREAKOUT = {
  stepsPerSecond: 10,
  codes: { minimal: [0, 1, 3], full: [0, 1, 2, 3, 4, 5] },
  pushed: "Click or tap on a picture to shove the paddles aside.",

  wall() {
    return Array.from({ length: 100 }, (_, cell) => (cell >= 10 && cell < 40 ? 1 : 0));
  },

  reset(random) {
    const right = random() >= 0.5;
    const x = right ? 9 : 0;
    const bricks = BREAKOUT.wall();
    return { x, y: 3, way: right ? 3 : 2, paddle: 4, bricks, strike: false, lastX: x, lastY: 3 };
  },

  observe(state, into) {
    into.fill(0);
    into[4 * (90 + state.paddle)] = 1;
    into[4 * (10 * state.y + state.x) + 1] = 1;
    into[4 * (10 * state.lastY + state.lastX) + 2] = 1;
    state.bricks.forEach((brick, cell) => (into[4 * cell + 3] = brick));
  },

  /* Ways: 0 up left, 1 up right, 2 down right, 3 down left. */
  step(state, action) {
    const paddle = clamp(state.paddle + (action === 1 ? -1 : action === 3 ? 1 : 0), 0, 9);
    const lastX = state.x, lastY = state.y;
    let { way, bricks } = state;
    let x = lastX + (way === 1 || way === 2 ? 1 : -1);
    let y = lastY + (way < 2 ? -1 : 1);
    let reward = 0, ended = false;
    if (x < 0 || x > 9) {
      x = clamp(x, 0, 9);
      way = [1, 0, 3, 2][way];
    }
    const ceiling = y < 0;
    if (ceiling) {
      y = 0;
      way = [3, 2, 1, 0][way];
    }
    const brick = !ceiling && bricks[10 * y + x] === 1;
    if (brick && !state.strike) {
      reward = 1;
      bricks = bricks.slice();
      bricks[10 * y + x] = 0;
      y = lastY;
      way = [3, 2, 1, 0][way];
    } else if (!brick && y === 9) {
      if (!bricks.includes(1)) bricks = BREAKOUT.wall();
      if (lastX === paddle) way = [3, 2, 1, 0][way];
      else if (x === paddle) way = [2, 3, 0, 1][way];
      else ended = true;
      if (!ended) y = lastY;
    }
    const next = { x, y, way, paddle, bricks, strike: brick, lastX, lastY };
    return { state: next, reward, ended };
  },

  push(state, side) {
    return { ...state, paddle: clamp(state.paddle - 3 * side, 0, 9) };
  },

  draw(pen, before, now, share, colours) {
    pen.view(5, -5, 10.4, 10.4);
    const cell = (x, y, inset, colour) =>
      pen.box(x + inset, -y - 1 + inset, 1 - 2 * inset, 1 - 2 * inset, 0.14, colour);
    for (let at = 0; at < 100; at++) {
      const brick = now.bricks[at];
      cell(at % 10, Math.floor(at / 10), brick ? 0.06 : 0.03, brick ? colours.blue : colours.paper);
    }
    cell(now.lastX, now.lastY, 0.34, colours.rod);
    cell(now.paddle, 9, 0.06, colours.ink);
    cell(now.x, now.y, 0.1, colours.rod);
  },
};
