//! What of a type is written when a value of it is recorded or made a JSON text.

use crate::declared::Declared;
use crate::refused::refused;
use crate::scope::Scope;
use crate::types::Ty;
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

/// Which hash collections count: a JSON value orders the keys of a map, but not the items of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hashed {
    Sets,
    MapsAndSets,
}

impl Hashed {
    /// Whether what is written of a `ty` stands in hash order.
    pub(crate) fn is_in(self, ty: &Ty, declared: &[&Declared]) -> bool {
        self.reaches(ty, declared, &mut Vec::new())
    }

    fn reaches(self, ty: &Ty, declared: &[&Declared], seen: &mut Vec<Ty>) -> bool {
        if seen.contains(ty) {
            return false;
        }
        seen.push(ty.clone());
        let fields = declared.iter().filter_map(|declared| declared.written.get(&ty.path)).flatten();
        self.is(ty) || ty.args.iter().chain(fields).any(|inner| self.reaches(inner, declared, seen))
    }

    /// Whether a `ty` itself is such a collection.
    pub(crate) fn is(self, ty: &Ty) -> bool {
        let is_set = ty.path.last().is_some_and(|last| last.ends_with("Set"));
        (is_set || self == Self::MapsAndSets) && is_hashed(ty)
    }
}

/// Whether a `ty` is iterated in hash order.
pub(crate) fn is_hashed(ty: &Ty) -> bool {
    let into_iter: Vec<String> = ty.path.iter().cloned().chain(["into_iter".to_owned()]).collect();
    !fixed_hasher(ty) && refused(&into_iter).is_some_and(|line| line.rule == "hash_order")
}

/// A hasher that was chosen, such as `BuildHasherDefault`, may well have no random state.
pub(crate) fn fixed_hasher(ty: &Ty) -> bool {
    let sets = ty.path.last().is_some_and(|last| last.ends_with("Set"));
    ty.args.len() > if sets { 1 } else { 2 }
}
