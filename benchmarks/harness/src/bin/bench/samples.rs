//! The figures of all rounds, and their medians.

use harness::{Durability, Figure};
use serde::Serialize;

/// One figure of one round.
#[derive(Serialize)]
pub struct Sample {
    pub system: String,
    pub durability: Durability,
    #[serde(flatten)]
    pub figure: Figure,
}

/// All of them.
#[derive(Default, Serialize)]
#[serde(transparent)]
pub struct Samples(Vec<Sample>);

/// What the rounds gave for one figure.
#[derive(Clone, Debug)]
pub struct Summary {
    pub median: f64,
    pub least: f64,
    pub most: f64,
    pub rounds: usize,
    pub unit: String,
}

impl Samples {
    pub fn add(&mut self, sample: Sample) {
        self.0.push(sample);
    }

    /// The summary of one figure, if it was measured.
    pub fn of(&self, system: &str, durability: Durability, name: &str) -> Option<Summary> {
        let found = |sample: &&Sample| sample.system == system && sample.durability == durability && sample.figure.name == name;
        let figures: Vec<&Figure> = self.0.iter().filter(found).map(|sample| &sample.figure).collect();
        let mut values: Vec<f64> = figures.iter().map(|figure| figure.value).collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len().checked_sub(1)? / 2;
        let median = if values.len().is_multiple_of(2) { (values[middle] + values[middle + 1]) / 2.0 } else { values[middle] };
        let unit = figures[0].unit.clone();
        Some(Summary { median, least: values[0], most: values[values.len() - 1], rounds: values.len(), unit })
    }
}
