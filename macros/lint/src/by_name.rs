//! Methods and macros of a workspace that are known by their name alone.

use crate::names::Segments;
use crate::scope::{Modules, Scope};
use crate::ty::{Local, Ty};
use std::collections::HashMap;
use syn::{FnArg, ImplItem, Item, Signature, TraitItem};

/// A method that a call leads to although nothing shows the type of its receiver, or a macro that nothing imports.
#[derive(Debug, Clone)]
struct Method {
    path: Segments,
    /// Without the receiver.
    arguments: usize,
    /// Whether any type can have it: a trait's own, or one of `impl<T> Trait for T`.
    any_type: bool,
}

/// Methods and macros (`name!`) by name; `None` where there are several.
#[derive(Debug, Clone, Default)]
pub(crate) struct Methods(HashMap<String, Option<Method>>);

impl Methods {
    /// The one method called so that takes so many arguments.
    pub(crate) fn named(&self, name: &str, arguments: usize) -> Option<&Segments> {
        let method = self.0.get(name)?.as_ref()?;
        (method.arguments == arguments).then_some(&method.path)
    }

    /// The same for a receiver whose type is known and has no such method of its own.
    pub(crate) fn of_a_trait(&self, name: &str, arguments: usize) -> Option<&Segments> {
        self.named(name, arguments).filter(|_| self.0[name].as_ref().is_some_and(|method| method.any_type))
    }

    /// The one macro called so; `name` ends in `!`.
    pub(crate) fn macro_named(&self, name: &str) -> Option<&Segments> {
        self.named(name, 0)
    }

    pub(crate) fn collect(&mut self, modules: &Modules, module: &Segments, items: &[Item]) {
        let inside = |name: String| module.iter().cloned().chain([name]).collect::<Segments>();
        for item in items {
            match item {
                Item::Impl(item) => {
                    let scope = Scope::<Local>::new(modules, module.clone(), None);
                    let Some(ty) = Ty::of(&item.self_ty, &scope) else {
                        continue;
                    };
                    let parameter = |name: &str| item.generics.type_params().any(|parameter| parameter.ident == name);
                    let any_type = ty.path.len() == 1 && parameter(&ty.path[0]);
                    for item in &item.items {
                        if let ImplItem::Fn(item) = item {
                            self.method(&ty.path, &item.sig, any_type);
                        }
                    }
                }
                Item::Trait(item) => {
                    let path = inside(item.ident.to_string());
                    for item in &item.items {
                        if let TraitItem::Fn(item) = item
                            && item.default.is_some()
                        {
                            self.method(&path, &item.sig, true);
                        }
                    }
                }
                Item::Mod(item) => {
                    if let Some((_, items)) = &item.content {
                        self.collect(modules, &inside(item.ident.to_string()), items);
                    }
                }
                Item::Macro(item) => {
                    if let Some(name) = &item.ident {
                        let path = inside(format!("{name}!"));
                        self.add(Method { path, arguments: 0, any_type: false });
                    }
                }
                _ => {}
            }
        }
    }

    fn method(&mut self, owner: &[String], sig: &Signature, any_type: bool) {
        let name = sig.ident.to_string();
        if !matches!(sig.inputs.first(), Some(FnArg::Receiver(_))) || COMMON.contains(&name.as_str()) {
            return;
        }
        let path = owner.iter().cloned().chain([name]).collect();
        let arguments = sig.inputs.len() - 1;
        self.add(Method { path, arguments, any_type });
    }

    fn add(&mut self, method: Method) {
        let Some(name) = method.path.last().cloned() else { return };
        let path = method.path.clone();
        let known = self.0.entry(name).or_insert(Some(method));
        if known.as_ref().is_some_and(|known| known.path != path) {
            *known = None;
        }
    }
}

/// Methods that values of the standard library and calls of Dacapo have. A call of one says nothing about a type of the workspace.
const COMMON: &[&str] = &[
    "abs",
    "add",
    "all",
    "and",
    "and_then",
    "any",
    "append",
    "as_bytes",
    "as_deref",
    "as_mut",
    "as_ref",
    "as_slice",
    "as_str",
    "borrow",
    "borrow_mut",
    "bytes",
    "chain",
    "chars",
    "checked",
    "checked_add",
    "checked_sub",
    "chunks",
    "clear",
    "clone",
    "cloned",
    "cmp",
    "collect",
    "concat",
    "contains",
    "contains_key",
    "copied",
    "count",
    "dedup",
    "detach",
    "drain",
    "elapsed",
    "ends_with",
    "entry",
    "enumerate",
    "eq",
    "err",
    "expect",
    "extend",
    "filter",
    "filter_map",
    "find",
    "first",
    "flat_map",
    "flatten",
    "flush",
    "fmt",
    "fold",
    "for_each",
    "from",
    "get",
    "get_mut",
    "get_or_insert_with",
    "hash",
    "id",
    "insert",
    "into",
    "into_inner",
    "into_iter",
    "into_keys",
    "into_values",
    "is_empty",
    "is_err",
    "is_none",
    "is_ok",
    "is_some",
    "iter",
    "iter_mut",
    "join",
    "keys",
    "last",
    "len",
    "limit",
    "lines",
    "load",
    "lock",
    "map",
    "map_err",
    "max",
    "min",
    "next",
    "nth",
    "ok",
    "ok_or",
    "ok_or_else",
    "or_default",
    "or_else",
    "or_insert",
    "or_insert_with",
    "parse",
    "partial_cmp",
    "peek",
    "pop",
    "pop_front",
    "position",
    "pow",
    "push",
    "push_back",
    "push_str",
    "read",
    "recv",
    "remove",
    "repeat",
    "replace",
    "reserve",
    "resize",
    "retain",
    "retry",
    "rev",
    "send",
    "set",
    "skip",
    "sort",
    "sort_by",
    "sort_by_key",
    "split",
    "split_at",
    "split_once",
    "start",
    "starts_with",
    "store",
    "sub",
    "sum",
    "swap",
    "take",
    "then",
    "then_some",
    "timeout",
    "to_owned",
    "to_string",
    "to_vec",
    "trim",
    "truncate",
    "try_from",
    "try_into",
    "unwrap",
    "unwrap_or",
    "unwrap_or_default",
    "unwrap_or_else",
    "values",
    "wait",
    "windows",
    "with",
    "write",
    "zip",
];
