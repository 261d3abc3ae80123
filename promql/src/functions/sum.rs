//! Sums, means and variances that lose little to rounding.
//!
//! Prometheus sums by Neumaier's variant of Kahan's algorithm (`util/kahansum`). What each addition loses is
//! found here by Knuth's TwoSum instead of by comparing which term is larger: both give the loss exactly, so the sums
//! are the same to the bit, but there is no branch, and several sums can run in the lanes of one register.

/// Several sums side by side, each as [`KahanSum`].
#[derive(Clone, Copy, Debug)]
pub struct KahanSums<const N: usize> {
    sums: [f64; N],
    lost: [f64; N],
}

impl<const N: usize> KahanSums<N> {
    /// All zero.
    pub fn new() -> Self {
        Self {
            sums: [0.0; N],
            lost: [0.0; N],
        }
    }

    /// Adds one value to each.
    #[inline]
    pub fn add(&mut self, values: [f64; N]) {
        let lanes = self.sums.iter_mut().zip(&mut self.lost).zip(values);
        for ((sum, lost), value) in lanes {
            let (total, rounded) = two_sum(*sum, value);
            *sum = total;
            *lost += rounded;
        }
    }

    /// The sums.
    pub fn values(&self) -> [f64; N] {
        std::array::from_fn(|lane| close(self.sums[lane], self.lost[lane]))
    }
}

/// A sum that remembers what its additions lost.
#[derive(Clone, Copy, Debug, Default)]
pub struct KahanSum {
    sum: f64,
    lost: f64,
}

impl KahanSum {
    /// Adds a value.
    #[inline]
    pub fn add(&mut self, value: f64) {
        let (total, lost) = two_sum(self.sum, value);
        self.sum = total;
        self.lost += lost;
    }

    /// The sum.
    #[inline]
    pub fn value(&self) -> f64 {
        close(self.sum, self.lost)
    }
}

impl Extend<f64> for KahanSum {
    fn extend<I: IntoIterator<Item = f64>>(&mut self, values: I) {
        for value in values {
            self.add(value);
        }
    }
}

/// The rounded sum of two numbers, and what rounding took away (Knuth, TAOCP 2, 4.2.2).
#[inline]
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let total = a + b;
    let b_in_total = total - a;
    let a_in_total = total - b_in_total;
    (total, (a - a_in_total) + (b - b_in_total))
}

/// From infinity on the loss is no number.
#[inline]
fn close(sum: f64, lost: f64) -> f64 {
    if sum.is_infinite() { sum } else { sum + lost }
}

/// A mean: of the sum as long as that does not overflow, from there on moved by each value's part, as upstream
/// does it (`avg_over_time`).
#[derive(Clone, Copy, Debug, Default)]
pub struct KahanMean {
    count: f64,
    /// The sum, or the mean once `moving`.
    total: KahanSum,
    moving: bool,
}

impl KahanMean {
    /// Takes a value in.
    #[inline]
    pub fn add(&mut self, value: f64) {
        self.count += 1.0;
        if !self.moving {
            let mut total = self.total;
            total.add(value);
            // A first value that is infinite is no overflow.
            if !total.sum.is_infinite() || self.count == 1.0 {
                self.total = total;
                return;
            }
            self.moving = true;
            self.total.sum /= self.count - 1.0;
            self.total.lost = finite(self.total.lost / (self.count - 1.0));
        }
        let share = (self.count - 1.0) / self.count;
        self.total.sum *= share;
        self.total.lost *= share;
        self.total.add(value / self.count);
        if self.total.sum.is_infinite() {
            self.total.lost = 0.0;
        }
    }

    /// The mean; NaN of no values.
    pub fn value(&self) -> f64 {
        if self.moving {
            return self.total.value();
        }
        let lost = if self.total.sum.is_infinite() {
            0.0
        } else {
            self.total.lost
        };
        self.total.sum / self.count + lost / self.count
    }
}

fn finite(lost: f64) -> f64 {
    if lost.is_finite() { lost } else { 0.0 }
}

/// A population's variance by Welford's algorithm over sums that remember their losses, as upstream does it
/// (`stdvar_over_time`).
#[derive(Clone, Copy, Debug, Default)]
pub struct Variance {
    count: f64,
    mean: KahanSum,
    squares: KahanSum,
}

impl Variance {
    /// Takes a value in.
    #[inline]
    pub fn add(&mut self, value: f64) {
        self.count += 1.0;
        let delta = value - self.mean.value();
        self.mean.add(delta / self.count);
        self.squares.add(delta * (value - self.mean.value()));
    }

    /// The variance; NaN of no values.
    pub fn value(&self) -> f64 {
        self.squares.value() / self.count
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::almost::almost_equal;

    /// By comparing, as upstream does it.
    fn neumaier(values: &[f64]) -> f64 {
        let (mut sum, mut lost) = (0.0f64, 0.0);
        for &value in values {
            let total = sum + value;
            if total.is_infinite() {
                lost = 0.0;
            } else if sum.abs() >= value.abs() {
                lost += (sum - total) + value;
            } else {
                lost += (value - total) + sum;
            }
            sum = total;
        }
        if sum.is_infinite() { sum } else { sum + lost }
    }

    fn sum(values: &[f64]) -> f64 {
        let mut sum = KahanSum::default();
        sum.extend(values.iter().copied());
        sum.value()
    }

    fn mean(values: &[f64]) -> f64 {
        let mut mean = KahanMean::default();
        values.iter().for_each(|&value| mean.add(value));
        mean.value()
    }

    #[test]
    fn small_terms_survive_large_ones() {
        assert_eq!(sum(&[1.0, 1e100, 1.0, -1e100]), 2.0);
        assert_eq!(mean(&[5.0, 1e100, 5.0, -1e100]), 2.5);
    }

    #[test]
    fn mean_outlives_overflow() {
        let largest = mean(&[f64::MAX, f64::MAX, f64::MAX]);
        assert!(almost_equal(largest, f64::MAX, 1e-12));
        assert_eq!(mean(&[f64::INFINITY, 1.0, 2.0]), f64::INFINITY);
        assert_eq!(mean(&[1.0, f64::NEG_INFINITY]), f64::NEG_INFINITY);
        assert!(mean(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
        assert!(mean(&[]).is_nan());
    }

    proptest! {
        #[test]
        fn same_bits_as_neumaier(values in proptest::collection::vec(any::<f64>(), 0..20)) {
            let (ours, theirs) = (sum(&values), neumaier(&values));
            prop_assert!(ours.to_bits() == theirs.to_bits() || ours.is_nan() && theirs.is_nan());
        }

        #[test]
        fn lanes_are_sums(values in proptest::collection::vec(any::<[f64; 3]>(), 0..20)) {
            let mut lanes = KahanSums::new();
            values.iter().for_each(|&v| lanes.add(v));
            for lane in 0..3 {
                let alone = sum(&values.iter().map(|v| v[lane]).collect::<Vec<_>>());
                let together = lanes.values()[lane];
                prop_assert!(alone.to_bits() == together.to_bits() || alone.is_nan() && together.is_nan());
            }
        }

        #[test]
        fn variance_of_shifted_values(values in proptest::collection::vec(-1e3..1e3f64, 1..20)) {
            let variance = |shift: f64| {
                let mut variance = Variance::default();
                values.iter().for_each(|value| variance.add(value + shift));
                variance.value()
            };
            let n = values.len() as f64;
            let middle = values.iter().sum::<f64>() / n;
            let plain = values.iter().map(|v| (v - middle).powi(2)).sum::<f64>() / n;
            prop_assert!((variance(0.0) - plain).abs() <= 1e-9 * (1.0 + plain));
            prop_assert!((variance(1e6) - plain).abs() <= 1e-4 * (1.0 + plain));
        }
    }
}
