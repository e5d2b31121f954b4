//! A timeline as a picture.

use svg::Document;
use svg::node::element::path::Data;
use svg::node::element::{Group, Line, Path, Rectangle, Style, Text, Title};

use crate::output::{cut, harmless};
use crate::time::{duration, precise};
use crate::timeline::rows::Row;
use crate::timeline::{Kind, Lane, Outcome, Timeline, What};

const WIDTH: usize = 1200;
const LABEL: usize = 260;
const BARS: usize = 640;
const HEAD: usize = 60;
const ROW: usize = 22;
const TICKS: usize = 5;

const STYLE: &str = "text { font: 12px ui-sans-serif, system-ui, sans-serif; fill: #1f2328 } .dim { fill: #656d76 } \
.title { font-weight: 600; font-size: 14px } .grid { stroke: #d1d9e0 } .work { fill: #2da44e } .open { fill: #0969da } \
.failed { fill: #cf222e } .wait { fill: #d4a72c; opacity: .45 } .dropped { fill: #8c959f }";

/// The picture as an SVG document.
pub(crate) fn draw(timeline: &Timeline, limit: usize) -> String {
    let rows = timeline.rows(limit);
    let height = HEAD + rows.len() * ROW + 12;
    let mut document = Document::new()
        .set("viewBox", (0, 0, WIDTH, height))
        .set("width", WIDTH)
        .set("height", height)
        .add(Style::new(STYLE))
        .add(Rectangle::new().set("width", WIDTH).set("height", height).set("fill", "#ffffff"))
        .add(written(12, 22, "title", &timeline.title));
    for tick in 0..=TICKS {
        let x = LABEL + BARS * tick / TICKS;
        let part = u32::try_from(tick).unwrap_or(0);
        let time = timeline.length() * part / u32::try_from(TICKS).unwrap_or(1);
        let line = Line::new().set("class", "grid").set("x1", x).set("x2", x).set("y1", HEAD - 6).set("y2", height - 8);
        document = document.add(line).add(written(x, HEAD - 12, "dim", &duration(time)).set("text-anchor", "middle"));
    }
    for (index, row) in rows.iter().enumerate() {
        let y = HEAD + index * ROW;
        let text = y + ROW / 2 + 4;
        let remark = written(LABEL + BARS + 12, text, "dim", &row.remark());
        document = document.add(written(12, text, "", &cut(&row.label(), 36))).add(remark).add(match row {
            Row::One(lane) => bars(timeline, lane, y),
            Row::Many(lanes) => area(timeline, lanes, y),
        });
    }
    document.to_string()
}

fn written(x: usize, y: usize, class: &str, text: &str) -> Text {
    Text::new(allowed(text)).set("x", x).set("y", y).set("class", class)
}

/// A text of characters that XML 1.0 allows (<https://www.w3.org/TR/xml/#charsets>): others it does not take as references either.
fn allowed(text: &str) -> String {
    harmless(text).replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

fn x_of(timeline: &Timeline, at: dacapo::store::Timestamp) -> usize {
    LABEL + timeline.part(at, BARS + 1)
}

fn bars(timeline: &Timeline, lane: &Lane, y: usize) -> Group {
    let mut group = Group::new().add(Title::new(allowed(&tooltip(lane))));
    for span in &lane.spans {
        let (from, to) = (x_of(timeline, span.from), x_of(timeline, span.to));
        let class = match (span.what, lane.outcome) {
            (What::Wait, _) => "wait",
            (What::FailedWork, _) => "failed",
            (What::Work, Outcome::Open) => "open",
            (What::Work, Outcome::Dropped) => "dropped",
            (What::Work, _) => "work",
        };
        let bar = Rectangle::new().set("class", class).set("x", from).set("y", y + 4).set("rx", 2);
        group = group.add(bar.set("width", (to - from).max(2)).set("height", ROW - 8));
    }
    if matches!(lane.kind, Kind::Event | Kind::SideEffect | Kind::Rewound) {
        let (x, y) = (x_of(timeline, lane.to()), y + ROW / 2);
        let diamond = Data::new().move_to((x - 6, y)).line_by((6, -6)).line_by((6, 6)).line_by((-6, 6)).close();
        group = group.add(Path::new().set("class", "work").set("d", diamond));
    }
    group
}

fn tooltip(lane: &Lane) -> String {
    let source = lane.source.as_ref().map(|source| format!(" at {source}")).unwrap_or_default();
    let row = Row::One(lane);
    format!("{}{source}\n{} to {}\n{}", row.label(), precise(lane.from()), precise(lane.to()), row.remark())
}

/// How many there were, as the height of an area.
fn area(timeline: &Timeline, lanes: &[&Lane], y: usize) -> Group {
    let density = timeline.density(lanes, BARS);
    let most = density.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let bottom = y + ROW - 4;
    let mut data = Data::new().move_to((LABEL, bottom));
    for (x, count) in density.iter().enumerate() {
        let top = bottom as f64 - (ROW - 8) as f64 * count / most;
        data = data.line_to(((LABEL + x) as f32, (top * 10.0).round() as f32 / 10.0));
    }
    data = data.line_to((LABEL + BARS, bottom)).close();
    let has_failed = lanes.iter().any(|lane| lane.outcome == Outcome::Failed);
    let row = Row::Many(lanes.to_vec());
    let title = Title::new(allowed(&format!("{}\n{}", row.label(), row.remark())));
    Group::new().add(title).add(Path::new().set("class", if has_failed { "failed" } else { "work" }).set("d", data))
}

#[cfg(test)]
mod tests {
    use dacapo::store::Timestamp;

    use super::draw;
    use crate::timeline::{Kind, Lane, Timeline};

    #[test]
    fn a_picture_is_xml_whatever_the_names() {
        let name = "<&> \u{1}\u{1b}[31m\u{ffff}";
        let lane = || Lane::new(Kind::Event, None, name).instant(Timestamp(5));
        let timeline = Timeline { title: name.to_owned(), from: Timestamp(0), to: Timestamp(9), lanes: vec![lane(), lane()] };
        for rows in [1, 40] {
            let drawing = draw(&timeline, rows);
            let document = roxmltree::Document::parse(&drawing).expect("it is XML");
            let titles = document.descendants().filter(|node| node.tag_name().name() == "title");
            let titles: Vec<_> = titles.filter_map(|node| node.text()).collect();
            assert!(titles.iter().all(|title| title.contains(r"event <&> \u{1}\u{1b}[31m")), "{titles:?}");
            assert_eq!(titles.len(), rows.min(2));
        }
    }
}
