//! Functions: those that stand inside a body, and what a walk over one has found.

use super::{Hit, Walk};
use crate::collect::kind_of;
use crate::declared::Declared;
use crate::function::{Function, FunctionKind, Mention, Place, Use};
use crate::names::Segments;
use crate::ty::Ty;
use proc_macro2::Span;
use syn::{Attribute, Block, Item, Signature, Stmt};

impl Walk<'_> {
    /// Walks a function that is not the orchestrator and keeps it in [`Walk::functions`].
    pub(crate) fn function(&mut self, owner: &[String], attrs: &[Attribute], sig: &Signature, block: &Block) {
        let mut walk = Walk::new(self.declared, self.scope.for_item(), &self.file);
        walk.nested = self.nested.clone();
        let kind = kind_of(attrs, &self.scope);
        // An annotated function is checked for itself; nobody is led into it.
        if kind == FunctionKind::Plain || self.declared.is_whole {
            walk.body(sig, block, Some(owner.to_vec()));
        }
        let path: Segments = owner.iter().cloned().chain([sig.ident.to_string()]).collect();
        let shown = owner.last().filter(|last| last.starts_with(char::is_uppercase));
        let name = shown.map_or_else(|| sig.ident.to_string(), |ty| format!("{ty}::{}", sig.ident));
        let function = walk.found(name, path.clone(), kind, sig.ident.span());
        self.functions.extend(walk.functions);
        self.functions.insert(path, function);
    }

    /// What the walk has found, as a function.
    pub(crate) fn found(&self, name: String, path: Segments, kind: FunctionKind, span: Span) -> Function {
        let hits = self.hits.iter().map(|Hit { rule, text, instead, span }| Use {
            rule,
            text: text.clone(),
            instead,
            at: Place::of(*span, &self.file),
        });
        let mentions = self.mentions.iter().map(|(path, span)| Mention { path: path.clone(), at: Place::of(*span, &self.file) });
        Function { name, path, kind, at: Place::of(span, &self.file), hits: hits.collect(), mentions: mentions.collect() }
    }

    /// Takes up the items of a block: what they declare, then their bodies.
    pub(super) fn items(&mut self, block: &Block) {
        let owner = self.scope.here();
        let items = || block.stmts.iter().filter_map(|stmt| if let Stmt::Item(item) = stmt { Some(item) } else { None });
        for item in items() {
            let mut declared = Declared::default();
            declared.item(&self.scope, &owner, item);
            self.nested.merge(declared);
        }
        for item in items() {
            match item {
                Item::Fn(item) => self.function(&owner, &item.attrs, &item.sig, &item.block),
                Item::Impl(item) => {
                    let Some(ty) = Ty::of(&item.self_ty, &self.scope) else {
                        continue;
                    };
                    for item in &item.items {
                        if let syn::ImplItem::Fn(item) = item {
                            self.function(&ty.path, &item.attrs, &item.sig, &item.block);
                        }
                    }
                }
                _ => {}
            }
        }
    }
}
