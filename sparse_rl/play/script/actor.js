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

  /* Microseconds for an action: the median of 15 blocks, each long enough for the browser's clock.
     The actions are those for the first observations of an episode of its own. What runs often the
     browser compiles once more, beside the page: it is called often, and then given the time. */
  async microseconds(world, codes) {
    const { srl_act_batch, srl_observations, srl_actions } = this.exports;
    const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
    const seen = this.every.slice();
    let state = world.reset(randomNumbers(1));
    for (let place = 0; place < this.places; place++) {
      world.observe(state, this.observation);
      seen.set(this.observation, place * this.inputs);
      const action = this.act();
      state = world.step(state, codes ? codes[action] : action).state;
    }
    const block = (repeats) => {
      const begin = performance.now();
      for (let k = 0; k < repeats; k++) {
        srl_act_batch(srl_observations.value, srl_actions.value, this.places);
      }
      return performance.now() - begin;
    };
    this.every.set(seen);
    for (let warm = 0; warm < 6; warm++) {
      for (const begin = performance.now(); performance.now() - begin < 8; ) block(16);
      await pause(40);
    }
    let repeats = 16;
    while (block(repeats) < 4 && repeats < 1 << 16) repeats *= 2;
    const blocks = [];
    while (blocks.length < 15) {
      blocks.push(block(repeats));
      await pause(0);
    }
    blocks.sort((a, b) => a - b);
    return (1000 * blocks[7]) / (repeats * this.places);
  }
}

async function actorOf(level, places) {
  const packed = Uint8Array.from(atob(level.module), (character) => character.charCodeAt(0));
  const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const { instance } = await WebAssembly.instantiate(await new Response(unpacked).arrayBuffer());
  return new Actor(instance, { ...level, places });
}
