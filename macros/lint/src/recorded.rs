//! What of a type is written when a value of it is recorded or made a JSON text.

use crate::scope::Scope;
use crate::ty::Ty;
use proc_macro2::{TokenStream, TokenTree};
use syn::{Attribute, Field, Meta};

/// What makes a field or a type be written otherwise than it stands, or not at all.
const OTHERWISE: &[&str] = &["skip", "skip_serializing", "with", "serialize_with", "into", "remote", "serde_as"];

/// The types of the fields that `derive(Serialize)` writes; none where the type is written in its own way.
pub(crate) fn written<'a, T: Clone>(
    attrs: &[Attribute],
    fields: impl IntoIterator<Item = &'a Field>,
    scope: &Scope<'_, T>,
) -> Option<Vec<Ty>> {
    if !says(attrs, "derive", &["Serialize"]) || is_otherwise(attrs) {
        return None;
    }
    let fields = fields.into_iter().filter(|field| !is_otherwise(&field.attrs));
    Some(fields.filter_map(|field| Ty::of(&field.ty, scope)).collect())
}

fn is_otherwise(attrs: &[Attribute]) -> bool {
    says(attrs, "serde", OTHERWISE) || attrs.iter().any(|attr| attr.path().is_ident("serde_as"))
}

/// Whether an attribute `name` has one of these words in its list.
fn says(attrs: &[Attribute], name: &str, words: &[&str]) -> bool {
    attrs.iter().any(|attr| match &attr.meta {
        Meta::List(list) => list.path.is_ident(name) && holds(list.tokens.clone(), words),
        _ => false,
    })
}

fn holds(tokens: TokenStream, words: &[&str]) -> bool {
    tokens.into_iter().any(|token| matches!(token, TokenTree::Ident(name) if words.iter().any(|word| name == word)))
}
