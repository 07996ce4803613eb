//! What the layers are computed with. Every step is rounded as the C of the same actor rounds it.
#![allow(dead_code)] // No network needs all of it.

use core::ops::{AddAssign, Mul};

/// The weights of a dense layer that are not zero, one output after the other.
pub struct Sparse<C: 'static, I: 'static, W: 'static> {
    /// How many weights each output has.
    pub counts: &'static [C],
    /// The input of each weight, in ascending order within an output.
    pub inputs: &'static [I],
    pub weights: &'static [W],
}

/// All weights of a dense layer, one output after the other.
pub struct Full<W: 'static> {
    pub weights: &'static [W],
}

impl<C: Copy + Into<u32>, I: Copy + Into<u32>, W: Copy> Sparse<C, I, W> {
    /// Calls `finish` with each output's index and the sum of its products, in ascending order.
    pub fn sums<X: Copy, S>(&self, x: &[X], mut finish: impl FnMut(usize, S))
    where
        S: Copy + Default + From<X> + From<W> + Mul<Output = S> + AddAssign,
    {
        let mut start = 0;
        for (output, &count) in self.counts.iter().enumerate() {
            let end = start + count.into() as usize;
            let mut sum = S::default();
            for (&i, &weight) in self.inputs[start..end].iter().zip(&self.weights[start..end]) {
                sum += S::from(x[i.into() as usize]) * S::from(weight);
            }
            start = end;
            finish(output, sum);
        }
    }
}

impl<W: Copy> Full<W> {
    /// Calls `finish` with each output's index and the sum of its products, in ascending order.
    pub fn sums<X: Copy, S>(&self, x: &[X], mut finish: impl FnMut(usize, S))
    where
        S: Copy + Default + From<X> + From<W> + Mul<Output = S> + AddAssign,
    {
        for (output, row) in self.weights.chunks_exact(x.len()).enumerate() {
            let mut sum = S::default();
            for (&value, &weight) in x.iter().zip(row) {
                sum += S::from(value) * S::from(weight);
            }
            finish(output, sum);
        }
    }
}

pub fn relu<T: Copy + Default + PartialOrd, const N: usize>(mut x: [T; N]) -> [T; N] {
    for value in &mut x {
        *value = if *value < T::default() { T::default() } else { *value }; // nan stays nan
    }
    x
}

pub fn all_finite(x: &[f32]) -> bool {
    x.iter().all(|value| value.is_finite())
}

/// The index of the largest, the first of equal ones.
pub fn largest_index(x: &[f32]) -> usize {
    let mut best = 0;
    for (i, value) in x.iter().enumerate() {
        if *value > x[best] {
            best = i;
        }
    }
    best
}

/// The largest magnitude, and at least `floor`; magnitudes of floats order like their bits.
pub fn largest_magnitude(x: &[f32], floor: f32) -> f32 {
    let bits = x.iter().fold(0, |largest, value| (value.to_bits() & 0x7fff_ffff).max(largest));
    let largest = f32::from_bits(bits);
    if largest < floor {
        floor
    } else {
        largest
    }
}

/// The largest magnitude over 127, of 1 where it is 0. Nan where it is not finite, so that no sum
/// makes a number of that again.
pub fn scale_of(largest: f32) -> f32 {
    let some = if largest == 0.0 { 1.0 } else { largest };
    some * 0.007_874_016 + (largest - largest)
}

/// One over a scale, or one where that is not finite.
pub fn inverse_of(scale: f32) -> f32 {
    let inverse = 1.0 / scale;
    if inverse > f32::MAX {
        1.0
    } else {
        inverse
    }
}

/// To the nearest whole number, half to even, for magnitudes below 2^22: adding 1.5 * 2^23 leaves
/// the rounded number in the low bits.
fn nearest(x: f32) -> i32 {
    (x + 12_582_912.0).to_bits().wrapping_sub(0x4b40_0000) as i32
}

fn bounded(x: i32) -> i8 {
    x.clamp(-127, 127) as i8
}

/// round(clip(x * inverse, -127, 127)) of each element.
pub fn quantized<const N: usize>(x: &[f32; N], inverse: f32) -> [i8; N] {
    let mut q = [0; N];
    for (to, value) in q.iter_mut().zip(x) {
        let scaled = value * inverse;
        let magnitude = (scaled.to_bits() & 0x7fff_ffff).min(0x42fe_0000); // at most that of 127
        *to = nearest(f32::from_bits((scaled.to_bits() & 0x8000_0000) | magnitude)) as i8;
    }
    q
}

/// round(clip(x / 2^shift, -127, 127)), half to even; a negative shift multiplies.
pub fn shifted(x: i32, shift: i32) -> i8 {
    if shift <= 0 {
        return bounded(i32::from(bounded(x)) << (-shift).min(7));
    }
    let (down, rest, half) = (x >> shift, x & ((1 << shift) - 1), 1 << (shift - 1));
    bounded(down + i32::from(rest > half || (rest == half && down & 1 == 1)))
}

/// clip((x - mean) / deviation, -limit, limit), elementwise.
pub fn normalized<const N: usize>(
    mut x: [f32; N],
    mean: &[f32; N],
    deviation: &[f32; N],
    limit: f32,
) -> [f32; N] {
    for ((value, mean), deviation) in x.iter_mut().zip(mean).zip(deviation) {
        *value = ((*value - mean) / deviation).clamp(-limit, limit);
    }
    x
}

pub fn rescaled<const N: usize>(mut x: [f32; N], factors: &[f32; N]) -> [f32; N] {
    for (value, factor) in x.iter_mut().zip(factors) {
        *value *= factor;
    }
    x
}

pub fn tanh_of_each<const N: usize>(mut x: [f32; N]) -> [f32; N] {
    for value in &mut x {
        *value = tanh(*value);
    }
    x
}

/// tanh, within 1.4 units in the last place and 1e-7. `core` has none.
///
/// Small arguments by an odd polynomial, the others by 1 - 2 / (exp(2 x) + 1) with exp(v) = 2^n
/// exp(r), |r| <= log(2) / 2. The coefficients are least-squares fits at Chebyshev nodes.
pub fn tanh(x: f32) -> f32 {
    if x.is_nan() {
        return x;
    }
    let a = f32::from_bits(x.to_bits() & 0x7fff_ffff);
    let positive = if a < 0.625 {
        let s = a * a;
        let p = 0.021_003_64 + s * -0.006_104_946_6;
        let p = -0.333_333_28 + s * (0.133_327_83 + s * (-0.053_852_5 + s * p));
        a + a * s * p
    } else if a < 9.1 {
        let v = 2.0 * a;
        let n = nearest(v * core::f32::consts::LOG2_E);
        let r = v - n as f32 * 0.693_359_4 - n as f32 * -0.000_212_194_44;
        let p = 0.041_666_463 + r * (0.008_363_335 + r * 0.001_393_386_7);
        let fraction = 1.0 + (r + r * r * (0.5 + r * (0.166_665_76 + r * p)));
        let power = f32::from_bits(((n + 127) as u32) << 23);
        1.0 - 2.0 / (fraction * power + 1.0)
    } else {
        1.0
    };
    if x < 0.0 {
        -positive
    } else {
        positive
    }
}
