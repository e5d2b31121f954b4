//! Finds the orchestrators of a file.

use dacapo_lint::{FunctionKind, Options, Source, rule_named};
use syn::parse::ParseStream;
use syn::visit::{self, Visit};
use syn::{Attribute, Ident, Item, ItemFn, ItemMod, LitStr, Meta, Token, parenthesized};

/// A function with `#[orchestrator]`.
#[derive(Debug)]
pub(crate) struct Orchestrator<'a> {
    pub(crate) function: &'a ItemFn,
    /// The module it stands in.
    pub(crate) module: Vec<String>,
    pub(crate) options: Options,
}

/// Every orchestrator of a file that is the module `path`, also those that stand in functions.
pub(crate) fn orchestrators<'a>(source: &Source, path: &[String], items: &'a [Item]) -> Vec<Orchestrator<'a>> {
    let mut search = Search { source, module: path.to_vec(), found: Vec::new() };
    items.iter().for_each(|item| search.visit_item(item));
    search.found
}

struct Search<'a, 's> {
    source: &'s Source,
    module: Vec<String>,
    found: Vec<Orchestrator<'a>>,
}

impl<'a> Visit<'a> for Search<'a, '_> {
    fn visit_item_mod(&mut self, item: &'a ItemMod) {
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_fn(&mut self, function: &'a ItemFn) {
        let is_ours = |attr: &&Attribute| self.source.kind_of(attr, &self.module) == FunctionKind::Orchestrator;
        if let Some(attr) = function.attrs.iter().find(is_ours) {
            self.found.push(Orchestrator { function, module: self.module.clone(), options: options(attr) });
        }
        visit::visit_item_fn(self, function);
    }
}

/// The rules that an attribute switches off. What is wrong with it, the compiler says.
fn options(attr: &Attribute) -> Options {
    let mut options = Options::new();
    let Meta::List(list) = &attr.meta else {
        return options;
    };
    let mut allowed = Vec::new();
    // A mistake ends the reading; what was understood before it counts.
    let _ = list.parse_args_with(|input: ParseStream<'_>| {
        while !input.is_empty() {
            if input.peek(Ident) && input.peek2(syn::token::Paren) && input.fork().parse::<Ident>()? == "allow" {
                input.parse::<Ident>()?;
                allowed.extend(allowance(input)?);
            } else {
                input.parse::<proc_macro2::TokenTree>()?;
            }
        }
        Ok(())
    });
    for rule in allowed {
        options = options.allow(rule);
    }
    options
}

/// `(rule, reason = "..")`
fn allowance(input: ParseStream<'_>) -> syn::Result<Option<&'static str>> {
    let inner;
    parenthesized!(inner in input);
    let rule: Ident = inner.parse()?;
    inner.parse::<Token![,]>()?;
    let key: Ident = inner.parse()?;
    inner.parse::<Token![=]>()?;
    let reason: LitStr = inner.parse()?;
    inner.parse::<Option<Token![,]>>()?;
    let valid = key == "reason" && !reason.value().trim().is_empty();
    Ok(rule_named(&rule.to_string()).filter(|_| valid).map(|rule| rule.name))
}
