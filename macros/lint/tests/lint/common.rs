//! Checking an orchestrator given as text.

use dacapo_lint::{Finding, Options, Source, check};
use syn::{Item, ItemFn};

/// The findings of the last `#[orchestrator]` in `text`, as the macro would report them.
pub(crate) fn findings(text: &str) -> Vec<Finding> {
    let source = Source::parse_file(text, "src/lib.rs".as_ref()).expect("the text is Rust");
    let function = orchestrator(text);
    check(&function, Some(&source), &Options::new().file("orders.rs"))
}

/// The names of the rules that `text` breaks.
pub(crate) fn rules(text: &str) -> Vec<&'static str> {
    findings(text).iter().map(|finding| finding.rule.name).collect()
}

/// The last orchestrator of `text`, without our attribute.
pub(crate) fn orchestrator(text: &str) -> ItemFn {
    let file = syn::parse_file(text).expect("the text is Rust");
    let mut functions = Vec::new();
    collect(&file.items, &mut functions);
    functions.pop().expect("the text has an orchestrator")
}

fn collect(items: &[Item], found: &mut Vec<ItemFn>) {
    for item in items {
        match item {
            Item::Fn(item) if item.attrs.iter().any(|attr| attr.path().is_ident("orchestrator")) => found.push(item.clone()),
            Item::Mod(item) => collect(item.content.as_ref().map_or(&[], |(_, items)| items), found),
            _ => {}
        }
    }
}
