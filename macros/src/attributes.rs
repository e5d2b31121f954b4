//! Which of the user's attributes go where.

use syn::punctuated::Punctuated;
use syn::{Attribute, Meta, Token};

/// Attributes that say something about the function as its callers see it.
const PUBLIC: &[&str] = &["doc", "deprecated"];
/// Attributes that hold for everything written in the function.
const LINTS: &[&str] = &["allow", "warn", "deny", "forbid"];

/// For the public function, for the body, and the conditions that every emitted item keeps.
pub(crate) fn split(attrs: Vec<Attribute>) -> (Vec<Attribute>, Vec<Attribute>, Vec<Attribute>) {
    let (mut outer, mut inner, mut conditions) = (Vec::new(), Vec::new(), Vec::new());
    for attr in attrs {
        let names = names(&attr);
        let all = |known: &[&str]| !names.is_empty() && names.iter().all(|name| known.contains(&name.as_str()));
        if all(&["cfg"]) {
            outer.push(attr.clone());
            conditions.push(attr);
        } else if all(LINTS) {
            outer.push(attr.clone());
            inner.push(attr);
        } else if all(PUBLIC) {
            outer.push(attr);
        } else {
            inner.push(attr);
        }
    }
    (outer, inner, conditions)
}

/// What an attribute is called, or what the attributes under its `cfg_attr` are called.
fn names(attr: &Attribute) -> Vec<String> {
    let last = |path: &syn::Path| path.segments.last().map(|segment| segment.ident.to_string());
    let nested = if attr.path().is_ident("cfg_attr") {
        attr.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).ok()
    } else {
        None
    };
    match nested {
        Some(metas) => metas.iter().skip(1).filter_map(|meta| last(meta.path())).collect(),
        None => last(attr.path()).into_iter().collect(),
    }
}
