use proptest::prelude::*;
use tidegauge_promql::{STALE, Samples};

use super::*;

/// Any float, but often such as exporters give.
fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => Just(1.0),
        4 => (-1_000i64..1_000).prop_map(|v| v as f64),
        3 => (0u64..1 << 60).prop_map(|v| v as f64),
        3 => (0u64..1 << 40, 0i32..12).prop_map(|(v, e)| v as f64 / 10f64.powi(e)),
        2 => any::<f64>(),
        2 => any::<u64>().prop_map(f64::from_bits),
        1 => prop_oneof![Just(-0.0), Just(STALE), Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY)],
    ]
}

fn step() -> impl Strategy<Value = i64> {
    prop_oneof![
        6 => Just(15_000i64),
        2 => 14_990i64..15_010,
        1 => 1i64..100_000,
        1 => 1i64..1 << 31,
    ]
}

pub(in crate::window) fn samples(most: usize) -> impl Strategy<Value = Vec<Sample>> {
    let start = prop_oneof![Just(1_790_000_000_000i64), -1i64 << 60..1 << 60];
    let repeated = (step(), value(), 1usize..9)
        .prop_map(|(step, value, times)| std::iter::repeat_n((step, value), times));
    (start, proptest::collection::vec(repeated, 1..most)).prop_map(|(mut time, runs)| {
        let mut samples = Vec::new();
        for (step, value) in runs.into_iter().flatten() {
            samples.push(Sample { time, value });
            time += step;
        }
        samples
    })
}

use tidegauge_promql::Sample;

/// As bits, for NaN is no equal of itself.
pub(in crate::window) fn bits(samples: impl IntoIterator<Item = Sample>) -> Vec<(i64, u64)> {
    let pair = |sample: Sample| (sample.time, sample.value.to_bits());
    samples.into_iter().map(pair).collect()
}

/// Sealed chunks of at least one sample each.
fn chunks(samples: &[Sample]) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    let mut last = samples[0];
    let mut open = Open::new(last, None);
    for &sample in &samples[1..] {
        if open.is_full(sample.time) {
            chunks.push(open.seal(last.time));
            open = Open::new(sample, Some(last.value));
        } else {
            open.push(last, sample);
        }
        last = sample;
    }
    chunks.push(open.seal(last.time));
    chunks
}

proptest! {
    #[test]
    fn what_is_written_is_read(samples in samples(80)) {
        let chunks = chunks(&samples);
        let read = chunks.iter().flat_map(|chunk| chunk.decode().unwrap());
        prop_assert_eq!(bits(read), bits(samples.iter().copied()));
        for chunk in &chunks {
            prop_assert!(Chunk::checked(chunk.bytes()).is_some());
        }
    }

    #[test]
    fn a_range_is_what_is_in_it(samples in samples(20), cuts in (any::<prop::sample::Index>(), any::<prop::sample::Index>())) {
        let (a, b) = (cuts.0.get(&samples).time, cuts.1.get(&samples).time);
        for (from, to) in [(a.min(b), a.max(b)), (a.min(b) - 1, a.max(b) - 1), (a, a)] {
            let wanted = || samples.iter().copied().filter(|s| (from..=to).contains(&s.time));
            let mut read = Samples::default();
            for chunk in chunks(&samples) {
                chunk.decode().unwrap().read(from, to, &mut read);
            }
            prop_assert_eq!(bits(read.iter()), bits(wanted()));
            let last = chunks(&samples).iter().rev().find_map(|c| c.decode().unwrap().last(from, to));
            prop_assert_eq!(bits(last), bits(wanted().next_back()));
        }
    }

    #[test]
    fn any_bytes_are_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Some(chunk) = Chunk::checked(&bytes) {
            prop_assert_eq!(chunk.decode().unwrap().count(), usize::from(chunk.count()));
        }
    }

    #[test]
    fn flipped_bits_are_no_panic(samples in samples(30), at: prop::sample::Index, bit in 0u8..8) {
        for chunk in chunks(&samples) {
            let mut bytes = chunk.bytes().to_vec();
            bytes[at.index(chunk.bytes().len())] ^= 1 << bit;
            if let Some(chunk) = Chunk::checked(&bytes) {
                prop_assert!(chunk.decode().unwrap().map(|s| s.time).is_sorted());
            }
        }
    }
}

/// Bytes a sample of 1,000 samples, 15 s apart.
fn bytes_per_sample(next: impl FnMut() -> f64) -> f64 {
    let samples: Vec<Sample> = std::iter::repeat_with(next)
        .take(1_000)
        .zip(0..)
        .map(|(value, index)| Sample {
            time: 1_790_000_000_000 + index * 15_000,
            value,
        })
        .collect();
    let chunks = chunks(&samples);
    let bytes: usize = chunks.iter().map(|chunk| chunk.bytes().len()).sum();
    bytes as f64 / samples.len() as f64
}

/// Numbers that look random and are always the same.
fn noise() -> impl FnMut() -> u64 {
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    }
}

#[test]
fn what_exporters_give_is_small() {
    let mut noise = noise();
    let constant = bytes_per_sample(|| 4_398_046_511_104.0);
    let mut bytes = 3e12;
    let counter = bytes_per_sample(|| {
        bytes += (600_000_000 + noise() % 300_000_000) as f64;
        bytes
    });
    let mut free = 7e11;
    let blocks = bytes_per_sample(|| {
        free -= 4_096.0 * (noise() % 2_000) as f64;
        free
    });
    let mut seconds = 0u64;
    let milliseconds = bytes_per_sample(|| {
        seconds += noise() % 900;
        seconds as f64 / 1_000.0
    });
    let steady = bytes_per_sample(|| {
        bytes += 15.0;
        bytes
    });
    let ratio = bytes_per_sample(|| 0.75 + (noise() >> 11) as f64 / 1e17);
    let random = bytes_per_sample(|| (noise() >> 11) as f64 / (1u64 << 53) as f64);
    println!(
        "constant {constant:.2}, counter {counter:.2}, free {blocks:.2}, milliseconds {milliseconds:.2}, steady {steady:.2}, ratio {ratio:.2}, random {random:.2}"
    );
    for (what, bytes, bound) in [
        ("a constant gauge", constant, 0.3),
        ("a counter of bytes", counter, 4.5),
        ("free bytes, in blocks", blocks, 2.3),
        ("seconds, in milliseconds", milliseconds, 2.3),
        ("a steady counter", steady, 1.1),
        ("a ratio of much noise", ratio, 7.1),
        ("random floats", random, 8.0),
    ] {
        assert!(bytes < bound, "{what} takes {bytes:.2} bytes a sample");
    }
}
