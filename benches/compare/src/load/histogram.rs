//! Durations counted in buckets that grow with them: 128 for each power of two, so a quantile is wrong by less than 0.8 %.

const SUB_BITS: u32 = 7;

/// Counts of nanoseconds.
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    largest: u64,
}

impl Histogram {
    /// An empty one.
    pub fn new() -> Self {
        Histogram { buckets: vec![0; (65 - SUB_BITS as usize) << SUB_BITS], count: 0, largest: 0 }
    }

    /// Counts one duration.
    pub fn add(&mut self, nanoseconds: u64) {
        self.buckets[bucket(nanoseconds)] += 1;
        self.count += 1;
        self.largest = self.largest.max(nanoseconds);
    }

    /// The duration that the part `quantile` of them does not exceed, in milliseconds.
    pub fn quantile_ms(&self, quantile: f64) -> f64 {
        let wanted = (self.count as f64 * quantile).ceil().max(1.0) as u64;
        let mut seen = 0;
        let found = self.buckets.iter().position(|&count| {
            seen += count;
            seen >= wanted
        });
        found.map_or(self.largest, value).min(self.largest) as f64 / 1e6
    }
}

fn bucket(nanoseconds: u64) -> usize {
    let high = 63 - (nanoseconds | 1).leading_zeros();
    if high < SUB_BITS {
        return nanoseconds as usize;
    }
    let shift = high - SUB_BITS;
    (((shift + 1) as usize) << SUB_BITS) + ((nanoseconds >> shift) as usize & ((1 << SUB_BITS) - 1))
}

fn value(bucket: usize) -> u64 {
    let (group, sub) = (bucket >> SUB_BITS, (bucket & ((1 << SUB_BITS) - 1)) as u64);
    if group == 0 { sub } else { ((1 << SUB_BITS) + sub) << (group - 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_near_the_truth() {
        let mut histogram = Histogram::new();
        (1..=100_000).for_each(|microseconds| histogram.add(microseconds * 1000));
        for quantile in [0.01, 0.5, 0.99, 1.0] {
            let (found, truth) = (histogram.quantile_ms(quantile), quantile * 100.0);
            assert!((found - truth).abs() <= truth * 0.008, "{quantile}: {found} ms");
        }
    }
}
