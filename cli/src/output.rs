//! How things are written: tables and JSON on standard output, what is wrong on standard error, progress on a terminal.

use std::fmt::{Display, Write as _};
use std::io::{ErrorKind, Write as _};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use dacapo::Status;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use unicode_width::UnicodeWidthStr as _;

pub(crate) const HEADER: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default();
pub(crate) const WAITING: Style = AnsiColor::Yellow.on_default();
pub(crate) const BUSY: Style = AnsiColor::Blue.on_default();

/// A text in a style. Where colours are not wanted they are taken out when it is written.
pub(crate) fn styled(text: impl Display, style: Style) -> String {
    format!("{style}{text}{style:#}")
}

pub(crate) fn style_of(status: Status) -> Style {
    match status {
        Status::Completed => GOOD,
        Status::Failed => BAD,
        Status::Terminated | Status::Suspended => WAITING,
        Status::Running => BUSY,
        _ => Style::new(),
    }
}

/// Whether a character moves or hides text: a control character, or one of Unicode that changes the direction of text or ends a line.
fn is_control(char: char) -> bool {
    let is_bidi = matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    char.is_control() || is_bidi || matches!(char, '\u{2028}' | '\u{2029}')
}

/// A text that tells a terminal nothing: control characters are written as in `\u{1b}`, but for ends of lines and tabs.
pub(crate) fn harmless(text: impl Display) -> String {
    let mut harmless = String::new();
    for char in text.to_string().chars() {
        match char {
            '\n' | '\t' => harmless.push(char),
            _ if is_control(char) => harmless.extend(char.escape_unicode()),
            _ => harmless.push(char),
        }
    }
    harmless
}

/// Writes to standard output.
pub(crate) fn print(text: &str) -> dacapo::Result<()> {
    write(anstream::stdout().lock(), text)
}

pub(crate) fn print_json(value: &impl Serialize) -> dacapo::Result<()> {
    print_json_text(&serde_json::to_string_pretty(value)?)
}

/// Writes JSON to standard output as it is: nothing in it is a colour. Control characters that JSON takes as they are it takes as escapes,
/// too, which tell a terminal nothing.
pub(crate) fn print_json_text(json: &str) -> dacapo::Result<()> {
    let mut text = String::with_capacity(json.len() + 1);
    for char in json.chars() {
        match char {
            // JSON text has ends of lines between its values.
            _ if char != '\n' && is_control(char) => text.push_str(&format!("\\u{:04x}", u32::from(char))),
            _ => text.push(char),
        }
    }
    text.push('\n');
    write(std::io::stdout().lock(), &text)
}

/// Whoever stops reading, as `head` does, has seen enough.
fn write(mut out: impl std::io::Write, text: &str) -> dacapo::Result<()> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(dacapo::Error::msg(format!("could not write to standard output: {error}"))),
        Ok(()) => Ok(()),
    }
}

pub(crate) fn complain(error: &impl Display) {
    tell(format_args!("{} {}", styled("error:", BAD.bold()), harmless(error)));
}

/// Something worth knowing that is not the answer.
pub(crate) fn remark(text: impl Display) {
    tell(format_args!("{}", styled(harmless(text), DIM)));
}

/// Whoever has closed standard error does not want to know.
fn tell(text: impl Display) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// A text on one line, cut to a length.
pub(crate) fn cut(text: &str, length: usize) -> String {
    let line: String = text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
    let line = harmless(line);
    if line.width() <= length {
        return line;
    }
    let mut short = String::new();
    for char in line.chars() {
        if short.width() + 2 > length {
            break;
        }
        short.push(char);
    }
    short + "…"
}

/// Text in columns.
pub(crate) struct Table {
    rows: Vec<Vec<(String, Style)>>,
}

impl Table {
    pub(crate) fn new<const N: usize>(header: [&str; N]) -> Self {
        Self { rows: vec![header.iter().map(|title| ((*title).to_owned(), HEADER)).collect()] }
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [(String, Style); N]) {
        self.rows.push(cells.map(|(text, style)| (harmless(text), style)).into());
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let columns = self.rows[0].len();
        let width = |column: usize| self.rows.iter().map(|row| row[column].0.width()).max().unwrap_or(0);
        let widths: Vec<_> = (0..columns).map(width).collect();
        for row in &self.rows {
            let mut line = String::new();
            for (column, (text, style)) in row.iter().enumerate() {
                let gap = if column + 1 < columns { widths[column] - text.width() + 2 } else { 0 };
                write!(line, "{style}{text}{style:#}{:gap$}", "")?;
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// A bar on a terminal's standard error; elsewhere nothing. Without a total it only counts.
pub(crate) fn progress(total: Option<u64>, what: &'static str) -> ProgressBar {
    let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    let template = if total.is_some() { "{msg} {wide_bar} {human_pos}/{human_len} {eta}" } else { "{spinner} {msg} {human_pos}" };
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(100));
    bar.with_message(what)
}

#[cfg(test)]
mod tests {
    use anstyle::Style;

    use super::{Table, cut};

    #[test]
    fn columns_stand_below_one_another_whatever_is_in_them() {
        let mut table = Table::new(["ID", "NAME"]);
        for (id, name) in [("größe", "a"), ("订单", "b")] {
            table.row([(id.to_owned(), Style::new()), (name.to_owned(), Style::new())]);
        }
        let plain = anstream::adapter::strip_str(&table.to_string()).to_string();
        assert_eq!(plain, "ID     NAME\ngröße  a\n订单   b\n");
    }

    #[test]
    fn a_cut_text_has_no_line_breaks_and_says_that_it_is_cut() {
        assert_eq!(cut("short", 5), "short");
        assert_eq!(cut("longer\ntext", 8), "longer …");
        assert_eq!(cut("a\u{202e}b", 20), "a\\u{202e}b");
        assert_eq!(cut("订单订单", 5), "订单…");
    }
}
