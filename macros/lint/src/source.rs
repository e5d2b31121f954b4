//! A source file as the rules need it: names, types, and what each function mentions. Plain data, so it can be kept.
//!
//! Invariant: nothing of `syn` or of spans stays behind in a [`Source`]. Its text is parsed with positions of its own, also
//! inside a procedural macro, where text parsed by the compiler has none.

use crate::declared::Declared;
use crate::function::{Function, FunctionKind};
use crate::names::Segments;
use crate::scope::{Scope, settle_globs};
use crate::ty::Ty;
use crate::walk::Walk;
use proc_macro2::Span;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use syn::{ImplItem, Item, TraitItem};

/// A parsed source file: its `use` declarations, modules, functions and impls.
#[derive(Debug, Clone, Default)]
pub struct Source {
    pub(crate) file: Arc<str>,
    pub(crate) root: Segments,
    pub(crate) declared: Declared,
    pub(crate) functions: HashMap<Segments, Function>,
    pub(crate) silenced: HashMap<(Arc<str>, usize), HashSet<&'static str>>,
}

impl Source {
    /// Parses the text of a file that is taken for the crate's root.
    ///
    /// # Errors
    /// When the text is not Rust.
    pub fn parse(text: &str) -> syn::Result<Self> {
        Self::parse_as(text, "", vec!["crate".to_owned()])
    }

    /// Parses the text of `file`, whose name gives the module path (`src/orders.rs` is `crate::orders`) and stands in chains.
    ///
    /// # Errors
    /// When the text is not Rust.
    pub fn parse_file(text: &str, file: &Path) -> syn::Result<Self> {
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Self::parse_as(text, &name, module_path(file))
    }

    /// Parses the text of the file called `file`, which is the module `root` (`["crate", "orders"]`).
    ///
    /// # Errors
    /// When the text is not Rust.
    pub fn parse_as(text: &str, file: &str, root: Vec<String>) -> syn::Result<Self> {
        // The error's span must be made after the positions are the compiler's again.
        Self::read(text, file, root).map_err(|message| syn::Error::new(Span::call_site(), message))
    }

    fn read(text: &str, file: &str, root: Segments) -> Result<Self, String> {
        let _own = OwnPositions::begin();
        let items = syn::parse_file(text).map_err(|error| error.to_string())?.items;
        let mut source = Self { file: Arc::from(file), root: root.clone(), ..Self::default() };
        source.declared.collect_names(&root, &items);
        settle_globs(&mut source.declared.modules);
        source.declared.collect(&root, &items);
        let mut functions = Vec::new();
        source.walk(&source.file, &root, &items, &mut functions);
        source.functions = functions.into_iter().map(|function| (function.path.clone(), function)).collect();
        Ok(source)
    }

    /// Every function of the file, in no particular order.
    pub fn functions(&self) -> impl Iterator<Item = &Function> {
        self.functions.values()
    }

    /// The function with this path, such as `["crate", "orders", "price_of"]`.
    pub fn function(&self, path: &[String]) -> Option<&Function> {
        self.functions.get(path)
    }

    /// What a macro that the annotated function `name` calls is: `["tracing", "info"]`, or its path as written.
    pub fn macro_path(&self, name: &str, path: &syn::Path) -> Vec<String> {
        Scope::<()>::new(&self.declared.modules, self.module_of(name), None).macro_named(path)
    }

    /// The module that declares the function `name`; the root where none does.
    pub(crate) fn module_of(&self, name: &str) -> Segments {
        let mut found: Vec<&Segments> = self
            .declared
            .kinds
            .iter()
            .filter(|(path, kind)| **kind != FunctionKind::Plain && path.last().is_some_and(|last| last == name))
            .map(|(path, _)| path)
            .collect();
        found.sort();
        found.first().map_or_else(|| self.root.clone(), |path| path[..path.len() - 1].to_vec())
    }

    /// Every function that the items of a module of `file` declare.
    pub(crate) fn walk(&self, file: &Arc<str>, module: &Segments, items: &[Item], functions: &mut Vec<Function>) {
        let scope = || Scope::new(&self.declared.modules, module.clone(), None);
        for item in items {
            let mut walk = Walk::new(&self.declared, scope(), file);
            match item {
                Item::Fn(item) => walk.function(module, &item.attrs, &item.sig, &item.block),
                Item::Impl(item) => {
                    let Some(ty) = Ty::of(&item.self_ty, &scope()) else {
                        continue;
                    };
                    walk = Walk::new(&self.declared, scope().with_self(ty.path.clone()), file);
                    for item in &item.items {
                        if let ImplItem::Fn(item) = item {
                            walk.function(&ty.path, &item.attrs, &item.sig, &item.block);
                        }
                    }
                }
                Item::Trait(item) => {
                    let path: Segments = module.iter().cloned().chain([item.ident.to_string()]).collect();
                    walk = Walk::new(&self.declared, scope().with_self(path.clone()), file);
                    for item in &item.items {
                        if let TraitItem::Fn(syn::TraitItemFn { attrs, sig, default: Some(block), .. }) = item {
                            walk.function(&path, attrs, sig, block);
                        }
                    }
                }
                Item::Mod(item) => {
                    if let Some((_, items)) = &item.content {
                        let inner = module.iter().cloned().chain([item.ident.to_string()]).collect();
                        self.walk(file, &inner, items, functions);
                    }
                }
                Item::Macro(item) => {
                    if let Some(ident) = &item.ident {
                        let name = format!("{ident}!");
                        let path = module.iter().cloned().chain([name.clone()]).collect();
                        walk.scan(item.mac.tokens.clone());
                        functions.push(walk.found(name, path, FunctionKind::Plain, ident.span()));
                    }
                }
                _ => {}
            }
            functions.extend(walk.functions.into_values());
        }
    }
}

/// The module a file is, by the usual layout.
fn module_path(file: &Path) -> Segments {
    let parts: Vec<String> =
        file.with_extension("").components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
    let inside = parts.iter().rposition(|part| part == "src").map_or(&[] as &[String], |at| &parts[at + 1..]);
    let mut path = vec!["crate".to_owned()];
    if inside.first().is_some_and(|first| first == "bin") {
        return path;
    }
    let last = inside.len().saturating_sub(1);
    path.extend(
        inside
            .iter()
            .enumerate()
            .filter(|(at, part)| !(*at == last && matches!(part.as_str(), "mod" | "lib" | "main")))
            .map(|(_, part)| part.clone()),
    );
    path
}

/// While one lives, text is parsed by `proc-macro2` itself, whose positions count from the text's first line.
struct OwnPositions;

impl OwnPositions {
    fn begin() -> Self {
        proc_macro2::fallback::force();
        Self
    }
}

impl Drop for OwnPositions {
    fn drop(&mut self) {
        proc_macro2::fallback::unforce();
    }
}
