/* An actor: its WebAssembly module, and where in its memory observations and actions lie. */
class Actor {
  constructor(instance, about) {
    const { exports } = instance;
    const { inputs, outputs, discrete, bytes: asBytes, places } = about;
    const numbers = (kind, name, size) =>
      new kind(exports.memory.buffer, exports[name].value, size);
    this.exports = exports;
    this.observation = numbers(asBytes ? Uint8Array : Float32Array, "srl_observations", inputs);
    this.every = numbers(asBytes ? Uint8Array : Float32Array, "srl_observations", inputs * places);
    this.action = numbers(discrete ? Int32Array : Float32Array, "srl_actions", discrete ? 1 : outputs);
    this.outputs = numbers(Float32Array, "srl_last_outputs", outputs);
    this.places = places;
    this.inputs = inputs;
  }

  /* The action for what lies in `observation`. */
  act() {
    const { srl_act, srl_observations, srl_actions } = this.exports;
    if (srl_act(srl_observations.value, srl_actions.value)) throw new Error("not finite");
    return this.action[0];
  }

  /* The last layer's outputs for what lies in `observation`. */
  outputsNow() {
    const { srl_outputs, srl_observations, srl_last_outputs } = this.exports;
    if (srl_outputs(srl_observations.value, srl_last_outputs.value)) throw new Error("not finite");
    return this.outputs;
  }

  /* The first observations of an episode of its own, one in each place. */
  fill(world, codes) {
    const seen = this.every.slice();
    let state = world.reset(randomNumbers(1));
    for (let place = 0; place < this.places; place++) {
      world.observe(state, this.observation);
      seen.set(this.observation, place * this.inputs);
      const action = this.act();
      state = world.step(state, codes ? codes[action] : action).state;
    }
    this.every.set(seen);
  }

  /* Milliseconds for the actions in all places, so many times. */
  block(repeats) {
    const { srl_act_batch, srl_observations, srl_actions } = this.exports;
    const begin = performance.now();
    for (let k = 0; k < repeats; k++) {
      srl_act_batch(srl_observations.value, srl_actions.value, this.places);
    }
    return performance.now() - begin;
  }
}

/* Microseconds for an action of each actor: the median of 15 blocks, each long enough for the
   browser's clock, in turns, so that whatever else the machine does meets all of them. What runs
   often the browser compiles once more, beside the page: it is called often first, and given the
   time for that. */
async function microseconds(actors, world, codes) {
  const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
  for (const actor of actors) actor.fill(world, codes);
  for (let warm = 0; warm < 6; warm++) {
    for (const actor of actors) {
      for (const begin = performance.now(); performance.now() - begin < 8; ) actor.block(16);
    }
    await pause(40);
  }
  const repeats = actors.map((actor) => {
    let found = 16;
    while (actor.block(found) < 4 && found < 1 << 16) found *= 2;
    return found;
  });
  const blocks = actors.map(() => []);
  for (let turn = 0; turn < 15; turn++) {
    for (let at = 0; at < actors.length; at++) {
      blocks[at].push(actors[at].block(repeats[at]));
      await pause(0);
      actors[at].fill(world, codes); // the episode on the page has written into the first place
    }
  }
  return actors.map((actor, at) => {
    blocks[at].sort((a, b) => a - b);
    return (1000 * blocks[at][7]) / (repeats[at] * actor.places);
  });
}

async function actorOf(level, places) {
  const packed = Uint8Array.from(atob(level.module), (character) => character.charCodeAt(0));
  const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const { instance } = await WebAssembly.instantiate(await new Response(unpacked).arrayBuffer());
  return new Actor(instance, { ...level, places });
}
