//! A timeline in a terminal.

use std::fmt::Write as _;
use std::ops::RangeInclusive;

use anstyle::Style;
use unicode_width::UnicodeWidthStr as _;

use crate::output::{BAD, BUSY, DIM, GOOD, HEADER, WAITING, cut, styled};
use crate::time::duration;
use crate::timeline::rows::Row;
use crate::timeline::{Kind, Lane, Outcome, Timeline, What};

const LEGEND: &str = "█ work  · wait  ✗ a failed attempt  ▶ goes on  ╳ dropped  ◆ a moment  ▁▂▄█ how many at once";

const UNRECORDED: &str = "no history tells when a call was dropped: ▶ may have been dropped, ╳ was, at the latest there";

/// The widths of labels and of bars that can still be read.
const LABEL: RangeInclusive<usize> = 8..=32;
const NARROWEST: usize = 20;

/// The columns of the terminal, or 100 where there is none.
pub(crate) fn width_of_terminal() -> usize {
    terminal_size::terminal_size().map_or(100, |(width, _)| usize::from(width.0))
}

/// The lines of the terminal, if that is where standard output goes.
pub(crate) fn height_of_terminal() -> Option<usize> {
    terminal_size::terminal_size_of(std::io::stdout()).map(|(_, height)| usize::from(height.0))
}

/// How many rows there are at most, so that a drawing below `above` lines and the prompt fit into so many lines.
pub(crate) fn rows_in(height: usize, above: usize) -> usize {
    /// The scale, the two lines of the legend, the prompt.
    const AROUND: usize = 4;
    height.saturating_sub(above + AROUND).max(1)
}

/// A row for each lane, at most `limit` if lanes can share one, in so many columns.
pub(crate) fn draw(timeline: &Timeline, limit: usize, columns: usize) -> String {
    let rows = timeline.rows(limit);
    let labels: Vec<String> = rows.iter().map(|row| cut(&row.label(), *LABEL.end())).collect();
    let label = labels.iter().map(|label| label.width()).max().unwrap_or(0).max(*LABEL.start());
    let remarks: Vec<String> = rows.iter().map(Row::remark).collect();
    let remark = remarks.iter().map(|remark| remark.width()).max().unwrap_or(0);
    let bar = columns.saturating_sub(label + remark + 4).max(NARROWEST);

    let whole = duration(timeline.length());
    let gap = bar.saturating_sub(whole.width() + 1);
    let mut text = format!("{:label$}  {}\n", "", styled(format_args!("0{:gap$}{whole}", ""), DIM));
    for ((row, label_text), remark) in rows.iter().zip(labels).zip(remarks) {
        let gap = label - label_text.width();
        let (cells, style) = match row {
            Row::One(lane) => (cells(timeline, lane, bar), HEADER.effects(anstyle::Effects::new())),
            Row::Many(lanes) => (heights(timeline, lanes, bar), Style::new()),
        };
        let _ = writeln!(text, "{}{:gap$}  {cells}  {}", styled(label_text, style), "", styled(remark, DIM));
    }
    if !rows.is_empty() {
        let _ = writeln!(text, "{}", styled(LEGEND, DIM));
    }
    if timeline.lanes.iter().any(|lane| lane.is_cut() || lane.outcome == Outcome::Open && lane.id.is_some()) {
        let _ = writeln!(text, "{}", styled(UNRECORDED, DIM));
    }
    text
}

fn cells(timeline: &Timeline, lane: &Lane, width: usize) -> String {
    let mut cells = vec![(' ', Style::new()); width];
    for span in &lane.spans {
        let (from, to) = (timeline.part(span.from, width), timeline.part(span.to, width));
        let cell = match span.what {
            What::Wait => ('·', WAITING),
            What::FailedWork => ('█', BAD),
            What::Work if lane.outcome == Outcome::Completed => ('█', GOOD),
            What::Work => ('█', BUSY),
        };
        cells[from..=to].fill(cell);
    }
    for failed in lane.spans.iter().filter(|span| span.what == What::FailedWork) {
        cells[timeline.part(failed.to, width)] = ('✗', BAD);
    }
    let last = timeline.part(lane.to(), width);
    match lane.outcome {
        Outcome::Open if lane.retry_at.is_none() => cells[last] = ('▶', BUSY),
        Outcome::Dropped => cells[last] = ('╳', WAITING),
        _ if matches!(lane.kind, Kind::Event | Kind::SideEffect | Kind::Rewound) => cells[last] = ('◆', GOOD),
        _ => {}
    }
    painted(&cells)
}

/// How many there were, as heights of blocks.
fn heights(timeline: &Timeline, lanes: &[&Lane], width: usize) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let has_failed = lanes.iter().any(|lane| lane.outcome == Outcome::Failed);
    let style = if has_failed { BAD } else { GOOD };
    let density = timeline.density(lanes, width);
    let most = density.iter().copied().fold(0.0, f64::max);
    let cells = density.iter().map(|count| match (count / most * 8.0).ceil() as usize {
        0 => (' ', Style::new()),
        height => (BLOCKS[height.min(8) - 1], style),
    });
    painted(&cells.collect::<Vec<_>>())
}

/// The characters, with a change of style only where it changes.
fn painted(cells: &[(char, Style)]) -> String {
    cells.chunk_by(|(_, one), (_, other)| one == other).fold(String::new(), |mut text, run| {
        let style = run[0].1;
        let _ = write!(text, "{}", styled(run.iter().map(|(char, _)| char).collect::<String>(), style));
        text
    })
}

#[cfg(test)]
mod tests {
    use dacapo::store::Timestamp;

    use super::{draw, rows_in};
    use crate::timeline::{Kind, Lane, Timeline, What};

    #[test]
    fn what_is_drawn_fits_into_the_terminal() {
        for count in [5, 12, 13, 35] {
            let lanes = (1..=count).map(|id| Lane::new(Kind::Activity, id, "step").begins(What::Work, Timestamp(0)));
            let timeline = Timeline { title: String::new(), from: Timestamp(0), to: Timestamp(9), lanes: lanes.collect() };
            let drawn = draw(&timeline, rows_in(20, 4), 80);
            assert!(4 + drawn.lines().count() < 20, "{drawn}");
            assert_eq!(drawn.contains(" × "), count > 12, "{drawn}");
        }
        assert_eq!(rows_in(5, 90), 1);
    }
}
