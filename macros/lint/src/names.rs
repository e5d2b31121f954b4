//! The names a module or a block declares: imports, globs and items.

use std::collections::{HashMap, HashSet};
use syn::{Item, Type, UseTree};

/// A path as a list of segments; `["crate", ..]` for what the source declares itself.
pub(crate) type Segments = Vec<String>;

/// What a module or a block brings into scope.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    /// Name in scope to path as written: `use a::b as c` gives `c` to `a::b`. Type aliases are kept here, too.
    pub(crate) imports: HashMap<String, Segments>,
    /// Paths imported with `*`, as written.
    pub(crate) globs: Vec<Segments>,
    /// What the globs of a module name, in the same order; filled in when all modules are known.
    pub(crate) bases: Vec<Segments>,
    /// Items declared here.
    pub(crate) items: HashSet<String>,
    /// In the root of a crate: what its dependencies are called there, to what they are known as here.
    pub(crate) externs: HashMap<String, String>,
}

impl Names {
    /// The names that `items` declare.
    pub(crate) fn of<'a>(items: impl IntoIterator<Item = &'a Item>) -> Self {
        let mut names = Self::default();
        for item in items {
            names.add(item);
        }
        names
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.imports.is_empty() && self.globs.is_empty() && self.items.is_empty()
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.imports.extend(other.imports);
        self.globs.extend(other.globs);
        self.items.extend(other.items);
        self.externs.extend(other.externs);
    }

    fn add(&mut self, item: &Item) {
        let ident = match item {
            Item::Use(item) => {
                let mut path = if item.leading_colon.is_some() { vec![String::new()] } else { Segments::new() };
                return self.add_use(&item.tree, &mut path);
            }
            Item::ExternCrate(item) => {
                let name = item.rename.as_ref().map_or(&item.ident, |(_, rename)| rename);
                self.imports.insert(name.to_string(), vec![String::new(), item.ident.to_string()]);
                return;
            }
            Item::Type(item) => {
                if let Type::Path(ty) = &*item.ty {
                    self.imports.insert(item.ident.to_string(), segments(&ty.path));
                    return;
                }
                &item.ident
            }
            Item::Const(item) => &item.ident,
            Item::Enum(item) => &item.ident,
            Item::Fn(item) => &item.sig.ident,
            Item::Mod(item) => &item.ident,
            Item::Static(item) => &item.ident,
            Item::Struct(item) => &item.ident,
            Item::Trait(item) => &item.ident,
            Item::TraitAlias(item) => &item.ident,
            Item::Union(item) => &item.ident,
            Item::Macro(item) => match &item.ident {
                Some(ident) => {
                    self.items.insert(format!("{ident}!"));
                    return;
                }
                None => {
                    let name = item.mac.path.segments.last().map(|last| last.ident.to_string());
                    if matches!(name.as_deref(), Some("thread_local" | "lazy_static")) {
                        self.items.extend(declared_statics(item.mac.tokens.clone()));
                    }
                    return;
                }
            },
            _ => return,
        };
        self.items.insert(ident.to_string());
    }

    fn add_use(&mut self, tree: &UseTree, path: &mut Segments) {
        match tree {
            UseTree::Path(tree) => {
                path.push(tree.ident.to_string());
                self.add_use(&tree.tree, path);
                path.pop();
            }
            UseTree::Name(tree) => self.import(tree.ident.to_string(), &tree.ident.to_string(), path),
            UseTree::Rename(tree) => self.import(tree.rename.to_string(), &tree.ident.to_string(), path),
            UseTree::Glob(_) => self.globs.push(path.clone()),
            UseTree::Group(tree) => {
                for tree in &tree.items {
                    self.add_use(tree, path);
                }
            }
        }
    }

    /// `use a::b::{self}` brings in `b`.
    fn import(&mut self, name: String, last: &str, path: &Segments) {
        let mut full = path.clone();
        let name = if last == "self" {
            if name == "self" { path.last().cloned().unwrap_or_default() } else { name }
        } else {
            full.push(last.to_owned());
            name
        };
        if name != "_" && !full.is_empty() {
            self.imports.insert(name, full);
        }
    }
}

/// The segments of a path as written; a leading `::` is an empty segment.
pub(crate) fn segments(path: &syn::Path) -> Segments {
    let lead = path.leading_colon.map(|_| String::new());
    lead.into_iter().chain(path.segments.iter().map(|segment| segment.ident.to_string())).collect()
}

/// The names declared by the tokens of `thread_local!` and `lazy_static!`.
pub(crate) fn declared_statics(tokens: proc_macro2::TokenStream) -> Vec<String> {
    let mut names = Vec::new();
    let mut expected = false;
    for token in tokens {
        if let proc_macro2::TokenTree::Ident(ident) = token {
            if expected && ident != "ref" {
                names.push(ident.to_string());
            }
            expected = ident == "static" || (expected && ident == "ref");
        }
    }
    names
}
