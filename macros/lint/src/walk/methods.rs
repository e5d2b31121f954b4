//! Methods: on values whose type the source shows, and those that only one kind of value has.

use super::Walk;
use crate::hashed::fixed_hasher;
use crate::names::{Segments, segments};
use crate::refused::refused;
use crate::scope::{Meaning, is_own};
use crate::ty::{LIST, Ty};
use proc_macro2::Span;
use syn::Expr;
use syn::spanned::Spanned;

/// `rayon`'s entries into parallel iteration.
const PARALLEL: &[&str] = &[
    "par_iter",
    "par_iter_mut",
    "into_par_iter",
    "par_bridge",
    "par_chunks",
    "par_drain",
    "par_sort",
    "par_sort_by",
    "par_sort_unstable",
];

/// Types that need no import.
const PRELUDE: &[&str] = &["Box", "Option", "Result", "Some", "String", "Vec"];

const ROUNDS: &str = "sum in a fixed order, for floats round differently in another: use a `BTreeMap`, or collect and sort first";

impl Walk<'_> {
    /// A method on a value whose type the source shows, and a few methods that only one kind of value has.
    pub(super) fn method(&mut self, call: &syn::ExprMethodCall) {
        let method = call.method.to_string();
        let span = call.method.span();
        if PARALLEL.contains(&method.as_str()) && self.scope.imports_crate("rayon") {
            return self.hit("spawn", format!(".{method}()"), "", span);
        }
        let ty = self.type_of(&call.receiver);
        let Some(ty) = ty else {
            if matches!(method.as_str(), "as_ptr" | "as_mut_ptr") && call.args.is_empty() {
                self.hit("address", format!(".{method}()"), "", span);
            }
            self.mention_by_name(call);
            return;
        };
        let mut path = ty.path.clone();
        path.push(method.clone());
        if let Some(line) = refused(&path) {
            let excused = line.rule == "hash_order" && (self.any_order || fixed_hasher(&ty) || self.keeps_by_entry(call));
            if !excused {
                let text = receiver_text(&call.receiver)
                    .map_or_else(|| format!("{}::{method}", ty.path[ty.path.len() - 1]), |name| format!("{name}.{method}()"));
                let instead = if line.rule == "hash_order" && self.rounds { ROUNDS } else { line.instead };
                self.hit(line.rule, text, instead, span);
            }
        } else if let Some(path) = self.inherited(&path) {
            self.mentions.push((path, span));
        } else if is_own(&self.declared.modules, &ty.path) {
            if self.foreign_static(call, &ty) {
                self.hit("shared_state", format!("{}.{method}", ty.path[ty.path.len() - 1]), "", span);
            } else {
                let known = self.declared.kinds.contains_key(&path);
                let of_a_trait = self.declared.methods.of_a_trait(&method, call.args.len()).filter(|_| !known);
                match of_a_trait {
                    Some(path) => self.mentions.push((path.clone(), span)),
                    None => self.mention(path, span),
                }
            }
        } else if self.foreign_static(call, &ty) {
            self.hit("shared_state", format!("{}.{method}", ty.path[ty.path.len() - 1]), "", span);
        } else if matches!(method.as_str(), "as_ptr" | "as_mut_ptr") && call.args.is_empty() {
            self.hit("address", format!(".{method}()"), "", span);
        } else if ty.path == [LIST] {
            self.mention_by_name(call);
        } else if ty.path.len() == 1 && !PRELUDE.contains(&ty.path[0].as_str()) && ty.path[0].starts_with(char::is_uppercase) {
            // A type parameter.
            self.mention_by_name(call);
        }
    }

    /// The only method of that name in a workspace, where the type of the receiver does not tell.
    fn mention_by_name(&mut self, call: &syn::ExprMethodCall) {
        if let Some(path) = self.declared.methods.named(&call.method.to_string(), call.args.len()) {
            self.mentions.push((path.clone(), call.method.span()));
        }
    }

    /// The method of a trait that `path`, the type's own, stands for.
    pub(super) fn inherited(&self, path: &[String]) -> Option<Segments> {
        self.nested.inherited(path).or_else(|| self.declared.inherited(path))
    }

    /// Whether the call is one that only an atomic, a lock or a thread-local has, on a constant name of another file.
    fn foreign_static(&self, call: &syn::ExprMethodCall, ty: &Ty) -> bool {
        let Expr::Path(receiver) = &*call.receiver else {
            return false;
        };
        let Meaning::Path(path) = self.scope.value(&receiver.path) else {
            return false;
        };
        let screaming = path
            .last()
            .is_some_and(|name| name.len() > 1 && !name.contains(char::is_lowercase) && name.contains(char::is_uppercase));
        if path != ty.path || !screaming || self.declared.statics.contains_key(&path) || self.nested.statics.contains_key(&path) {
            return false;
        }
        let ordering = call.args.iter().any(|argument| {
            let Expr::Path(argument) = argument else {
                return false;
            };
            self.scope.resolve(&segments(&argument.path)).starts_with(&["std", "sync", "atomic", "Ordering"].map(str::to_owned))
        });
        let closure = matches!(call.args.first(), Some(Expr::Closure(_)));
        match call.method.to_string().as_str() {
            "lock" | "read" | "write" | "try_lock" => call.args.is_empty(),
            "with" | "with_borrow" | "with_borrow_mut" => closure,
            method if method.starts_with("fetch_") || method.starts_with("compare_exchange") => true,
            "load" | "store" | "swap" => ordering,
            _ => false,
        }
    }
}

pub(super) fn receiver_text(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Path(path) => Some(segments(&path.path).join("::")),
        Expr::Field(field) => {
            let base = receiver_text(&field.base)?;
            match &field.member {
                syn::Member::Named(name) => Some(format!("{base}.{name}")),
                syn::Member::Unnamed(index) => Some(format!("{base}.{}", index.index)),
            }
        }
        Expr::Reference(expr) => receiver_text(&expr.expr),
        Expr::Paren(expr) => receiver_text(&expr.expr),
        _ => None,
    }
}

/// The token by which a value is best known.
pub(super) fn token_of(expr: &Expr) -> Span {
    match expr {
        Expr::Reference(expr) => token_of(&expr.expr),
        Expr::Paren(expr) => token_of(&expr.expr),
        Expr::Field(expr) => expr.member.span(),
        Expr::Binary(expr) => expr.op.span(),
        other => other.span(),
    }
}
