//! The chart: what each system does in a second, on a logarithmic scale.

use std::path::Path;

use anyhow::anyhow;
use harness::Durability::{self, Full, Memory, Normal};
use plotters::prelude::*;

use crate::samples::Samples;

const WORKLOADS: &[&str] = &["chain of 1,000", "fan-out of 10,000", "many", "starts", "events"];

const BARS: &[(&str, &str, Durability, RGBColor)] = &[
    ("Dacapo, FULL", "dacapo", Full, RGBColor(0x1f, 0x6f, 0xb4)),
    ("Dacapo, NORMAL", "dacapo", Normal, RGBColor(0x6b, 0xae, 0xd6)),
    ("Dacapo, in memory", "dacapo", Memory, RGBColor(0xbd, 0xd7, 0xe7)),
    ("duroxide, tuned, NORMAL", "duroxide, tuned", Normal, RGBColor(0xe6, 0x7e, 0x22)),
    ("duroxide, default, NORMAL", "duroxide", Normal, RGBColor(0xf5, 0xb0, 0x77)),
];

pub fn draw(samples: &Samples, path: &Path) -> anyhow::Result<()> {
    let failed = |error: String| anyhow!("the chart could not be drawn: {error}");
    let area = SVGBackend::new(path, (960, 480)).into_drawing_area();
    area.fill(&WHITE).map_err(|error| failed(error.to_string()))?;
    let slots = (BARS.len() + 1) as f64;
    let mut chart = ChartBuilder::on(&area)
        .caption("Per second, more is better (logarithmic)", ("sans-serif", 20))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(72)
        .build_cartesian_2d(0.0..WORKLOADS.len() as f64 * slots, (1.0..2_000_000.0).log_scale())
        .map_err(|error| failed(error.to_string()))?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(0)
        .y_label_formatter(&|value| format!("{value:.0}"))
        .draw()
        .map_err(|error| failed(error.to_string()))?;
    for (bar, (title, system, durability, color)) in BARS.iter().enumerate() {
        let rectangles = WORKLOADS.iter().enumerate().filter_map(|(group, name)| {
            let value = samples.of(system, *durability, name)?.median.max(1.0);
            let left = group as f64 * slots + bar as f64 + 0.5;
            Some(Rectangle::new([(left, 1.0), (left + 0.9, value)], color.filled()))
        });
        let color = *color;
        chart
            .draw_series(rectangles)
            .map_err(|error| failed(error.to_string()))?
            .label(*title)
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 12, y + 5)], color.filled()));
    }
    for (group, name) in WORKLOADS.iter().enumerate() {
        let (x, y) = chart.backend_coord(&(group as f64 * slots + slots / 2.0, 1.0));
        let style = TextStyle::from(("sans-serif", 14)).pos(plotters::style::text_anchor::Pos::new(
            plotters::style::text_anchor::HPos::Center,
            plotters::style::text_anchor::VPos::Top,
        ));
        area.draw(&Text::new((*name).to_owned(), (x, y + 10), style)).map_err(|error| failed(error.to_string()))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .draw()
        .map_err(|error| failed(error.to_string()))?;
    area.present().map_err(|error| failed(error.to_string()))
}
