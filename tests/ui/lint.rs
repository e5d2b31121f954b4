//! What the rules of an orchestrator refuse and what they let pass, on whole programs.
//!
//! `lint/pass` holds correct programs, `lint/fail` programs with one mistake each and the message it earns. A file is called after
//! the rule it shows; `real_*` are orchestrators as users write them. All correct ones are compiled in one crate, and each
//! mistake in one of its own.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use dacapo_lint::{Options, RULES, Source, check};
use syn::{Item, ItemFn, LitStr, Meta};

mod mistakes;
use mistakes::read;

/// Mistakes that are not found yet. One that is found must leave this list.
const MISSED: &[&str] = &[];

/// Not rules, but ways to get the marks wrong that switch rules off.
const MARKS: &[&str] = &["allow", "sequential"];

#[test]
fn correct_orchestrators_compile() {
    let listed = std::fs::read_to_string("lint/correct.rs").expect("the list of correct programs can be read");
    for file in files("pass") {
        let name = format!("#[path = \"pass/{}.rs\"]", stem(&file));
        assert!(listed.contains(&name), "lint/correct.rs does not list it: {name}");
    }
    trybuild::TestCases::new().pass("lint/correct.rs");
}

#[test]
fn each_mistake_is_refused_at_its_token() {
    mistakes::are_refused("lint/fail", MISSED);
}

/// What the lint says is what the expected message says, word for word and at the same token. The signature is the macro's own.
#[test]
fn the_lint_alone_says_the_same() {
    let (mut refused, mut wrong) = (0, String::new());
    let files = files("fail");
    for file in &files {
        let expected = expected(file);
        if expected.iter().any(|error| rule_of(error).is_none_or(|rule| rule == "signature")) {
            continue;
        }
        let found = findings(file);
        if MISSED.contains(&&*stem(file)) {
            assert!(found.is_empty(), "{} is found now; take it from the list of what is missed", file.display());
        } else if found == expected {
            refused += 1;
        } else {
            write!(wrong, "\n{}\n  expected {expected:#?}\n  found {found:#?}", file.display()).expect("a string takes it");
        }
    }
    println!("{refused} of {} programs with a mistake are refused by the lint as expected", files.len());
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_lint_alone_lets_correct_orchestrators_pass() {
    let files = files("pass");
    let refused: Vec<_> = files.iter().map(|file| (file, findings(file))).filter(|(_, found)| !found.is_empty()).collect();
    println!("{} of {} correct programs pass", files.len() - refused.len(), files.len());
    assert!(refused.is_empty(), "{refused:#?}");
}

#[test]
fn each_rule_has_programs_of_both_kinds() {
    let mut table: BTreeMap<String, [usize; 3]> = RULES.iter().map(|rule| (rule.name.to_owned(), [0; 3])).collect();
    for file in files("pass").iter().filter(|file| !stem(file).starts_with("real_")) {
        let rule = shown_rule(file);
        table.get_mut(&rule).unwrap_or_else(|| panic!("there is no rule {rule}"))[0] += 1;
    }
    for file in files("fail") {
        let is_real = stem(&file).starts_with("real_");
        let rule = if is_real { named_rule(&file) } else { shown_rule(&file) };
        table.entry(rule).or_default()[if is_real { 2 } else { 1 }] += 1;
    }
    println!("{:<18}{:>6}{:>6}{:>10}", "rule", "pass", "fail", "real fail");
    for (rule, [pass, fail, real]) in &table {
        println!("{rule:<18}{pass:>6}{fail:>6}{real:>10}");
    }
    let real = files("pass").iter().filter(|file| stem(file).starts_with("real_")).count();
    println!("and {real} correct programs as users write them");
    for rule in RULES {
        let [pass, fail, _] = table[rule.name];
        assert!(pass > 0 && fail > 0, "{} has {pass} correct programs and {fail} with a mistake", rule.name);
    }
}

/// The programs of `pass` or `fail`, sorted.
fn files(kind: &str) -> Vec<PathBuf> {
    mistakes::programs(&Path::new("lint").join(kind), &[])
}

fn stem(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// The rule, or the mark, that begins the name of the file.
fn shown_rule(file: &Path) -> String {
    let name = stem(file);
    let rules = RULES.iter().map(|rule| rule.name).chain(MARKS.iter().copied());
    let shown = rules.filter(|rule| name.starts_with(&format!("{rule}_"))).max_by_key(|rule| rule.len());
    shown.unwrap_or_else(|| panic!("{name} begins with no rule")).to_owned()
}

/// The rule that the expected message names.
fn named_rule(file: &Path) -> String {
    let expected = expected(file);
    let error = expected.first().unwrap_or_else(|| panic!("{} expects nothing", file.display()));
    rule_of(error).unwrap_or_else(|| panic!("no rule is named: {error}")).to_owned()
}

/// `line:column message`, of what the `.stderr` beside the file expects.
fn expected(file: &Path) -> Vec<String> {
    let text = read(&file.with_extension("stderr"));
    let mut errors = Vec::new();
    let mut message = None;
    for line in text.lines() {
        if let Some(text) = line.strip_prefix("error: ") {
            message = Some(text);
        } else if let Some((_, place)) = line.trim_start().strip_prefix("--> ").and_then(|place| place.split_once(".rs:"))
            && let Some(message) = message.take()
        {
            errors.push(format!("{place} {message}"));
        }
    }
    errors
}

/// The name in `[clock, see docs/rules.md#clock]`.
fn rule_of(error: &str) -> Option<&str> {
    let (_, rule) = error.rsplit_once(" [")?;
    let (rule, _) = rule.split_once(", see ")?;
    Some(rule)
}

/// `line:column message`, of what the lint finds in the orchestrators of the file.
fn findings(file: &Path) -> Vec<String> {
    let text = read(file);
    let source = Source::parse_file(&text, file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let items = syn::parse_file(&text).expect("the same text was parsed before").items;
    let mut found = Vec::new();
    for function in orchestrators(&items) {
        for finding in check(function, Some(&source), &options(function)) {
            let at = finding.span.start();
            found.push(format!("{}:{} {}", at.line, at.column + 1, finding.message));
        }
    }
    found
}

/// Functions with `#[orchestrator]`, also under the name `workflow`.
fn orchestrators(items: &[Item]) -> Vec<&ItemFn> {
    let ours = |function: &&ItemFn| {
        let mut names = function.attrs.iter().filter_map(|attribute| attribute.path().segments.last());
        names.any(|name| name.ident == "orchestrator" || name.ident == "workflow")
    };
    let functions = items.iter().filter_map(|item| if let Item::Fn(function) = item { Some(function) } else { None });
    functions.filter(ours).collect()
}

/// The rules that the attribute switches off.
fn options(function: &ItemFn) -> Options {
    let mut options = Options::new();
    let ours = function.attrs.iter().filter(|attribute| matches!(attribute.meta, Meta::List(_)));
    for attribute in ours {
        let parsed = attribute.parse_nested_meta(|argument| {
            argument.parse_nested_meta(|inner| {
                match inner.path.require_ident()? {
                    name if name == "reason" => drop(inner.value()?.parse::<LitStr>()?),
                    rule => options = std::mem::take(&mut options).allow(&rule.to_string()),
                }
                Ok(())
            })
        });
        drop(parsed);
    }
    options
}
