//! Reads observations as text, OBSERVATION_SIZE numbers each, and prints one action per line.

use std::io::Read;

use srl_actor::{act, OBSERVATION_SIZE};

fn main() {
    if let Err(problem) = run() {
        eprintln!("{problem}");
        std::process::exit(1);
    }
}

fn run() -> Result<(), String> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map_err(|error| error.to_string())?;
    let mut observation = [Default::default(); OBSERVATION_SIZE];
    let mut n = 0;
    for (count, word) in text.split_whitespace().enumerate() {
        observation[n] = number(word).map_err(|said| format!("number {}: {said}", count + 1))?;
        n += 1;
        if n == OBSERVATION_SIZE {
            n = 0;
            let refused = "observation: a number is not finite, or too large to act on";
            let action = act(&observation).ok_or(refused)?;
            println!("{}", shown(&action));
        }
    }
    if n != 0 {
        return Err(format!("the last observation is incomplete: {n} of {OBSERVATION_SIZE} numbers"));
    }
    Ok(())
}

