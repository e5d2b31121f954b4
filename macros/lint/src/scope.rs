//! Names to whole paths: block, module and file scopes, imports, re-exports, globs, shadowing by locals.

use crate::calls::is_vocabulary;
use crate::names::{Names, Segments, segments};
use crate::refused::spelled_out;
use std::collections::{HashMap, HashSet};
use syn::{Block, Pat, Stmt};

/// Import chains longer than this are cycles.
const DEPTH: usize = 16;

/// The modules of a file by absolute path (`["crate", "orders"]`).
pub(crate) type Modules = HashMap<Segments, Names>;

/// What a path in value position means.
#[derive(Debug, Clone)]
pub(crate) enum Meaning<T> {
    /// A parameter or a `let` binding.
    Local(T),
    /// An item, its path resolved as far as the source shows.
    Path(Segments),
}

#[derive(Debug, Clone)]
enum Frame<T> {
    Block { names: Names, path: Segments },
    Locals(HashMap<String, T>),
}

/// The scopes around a place in a function body; `T` is what is known of a local.
#[derive(Debug, Clone)]
pub(crate) struct Scope<'a, T> {
    modules: &'a Modules,
    module: Segments,
    self_type: Option<Segments>,
    frames: Vec<Frame<T>>,
    blocks: usize,
}

impl<'a, T: Clone> Scope<'a, T> {
    pub(crate) fn new(modules: &'a Modules, module: Segments, self_type: Option<Segments>) -> Self {
        Self { modules, module, self_type, frames: Vec::new(), blocks: 0 }
    }

    /// Opens a scope for the locals of a pattern, a closure or a loop.
    pub(crate) fn enter(&mut self) {
        self.frames.push(Frame::Locals(HashMap::new()));
    }

    /// Opens the scopes of a block: its items first, then its locals.
    pub(crate) fn enter_block(&mut self, block: &Block) {
        let names = Names::of(block.stmts.iter().filter_map(|stmt| match stmt {
            Stmt::Item(item) => Some(item),
            _ => None,
        }));
        let mut path = self.here();
        if !names.is_empty() {
            self.blocks += 1;
            path.push(format!("{{{}}}", self.blocks));
        }
        self.frames.push(Frame::Block { names, path });
        self.enter();
    }

    pub(crate) fn leave(&mut self) {
        self.frames.pop();
    }

    pub(crate) fn leave_block(&mut self) {
        self.frames.pop();
        self.frames.pop();
    }

    pub(crate) fn bind(&mut self, name: String, local: T) {
        if let Some(Frame::Locals(locals)) = self.frames.last_mut() {
            locals.insert(name, local);
        }
    }

    /// The scope a nested item sees: everything but the locals.
    pub(crate) fn for_item(&self) -> Self {
        let mut scope = self.clone();
        scope.frames.retain(|frame| matches!(frame, Frame::Block { .. }));
        scope.blocks += 100;
        scope
    }

    pub(crate) fn with_self(mut self, self_type: Segments) -> Self {
        self.self_type = Some(self_type);
        self
    }

    /// The path under which items of the innermost block are known.
    pub(crate) fn here(&self) -> Segments {
        let block = self.frames.iter().rev().find_map(|frame| match frame {
            Frame::Block { path, .. } => Some(path.clone()),
            Frame::Locals(_) => None,
        });
        block.unwrap_or_else(|| self.module.clone())
    }

    /// The local called `name`, if no item stands nearer.
    pub(crate) fn local(&self, name: &str) -> Option<&T> {
        self.frames.iter().rev().find_map(|frame| match frame {
            Frame::Locals(locals) => locals.get(name),
            Frame::Block { .. } => None,
        })
    }

    /// What a path in value position means.
    pub(crate) fn value(&self, path: &syn::Path) -> Meaning<T> {
        if let Some(local) = path.get_ident().and_then(|name| self.local(&name.to_string())) {
            return Meaning::Local(local.clone());
        }
        Meaning::Path(self.resolve(&segments(path)))
    }

    /// A macro's path; the last segment ends in `!`.
    pub(crate) fn macro_path(&self, path: &syn::Path) -> Segments {
        let mut written = segments(path);
        let Some(last) = written.pop() else {
            return written;
        };
        if written.is_empty() {
            let bang = self.resolve(&[format!("{last}!")]);
            if bang.len() > 1 {
                return bang;
            }
        }
        written.push(last);
        let mut resolved = self.resolve(&written);
        if let Some(last) = resolved.last_mut() {
            last.push('!');
        }
        resolved
    }

    /// The same without the mark.
    pub(crate) fn macro_named(&self, path: &syn::Path) -> Segments {
        let mut path = self.macro_path(path);
        if let Some(last) = path.last_mut() {
            last.pop();
        }
        path
    }

    /// A path in any position but that of a local value.
    pub(crate) fn resolve(&self, written: &[String]) -> Segments {
        self.resolve_from(self.frames.len(), written, 0)
    }

    /// Whether an import in scope comes from `name`.
    pub(crate) fn imports_crate(&self, name: &str) -> bool {
        let from = |names: &Names| {
            names.globs.iter().chain(names.imports.values()).any(|path| path.first().is_some_and(|first| first == name))
        };
        let blocks = self.frames.iter().any(|frame| matches!(frame, Frame::Block { names, .. } if from(names)));
        blocks || self.modules.get(&self.module).is_some_and(from)
    }

    fn resolve_from(&self, frames: usize, written: &[String], depth: usize) -> Segments {
        let Some(first) = written.first() else {
            return Segments::new();
        };
        if first == "Self"
            && let Some(self_type) = &self.self_type
        {
            return join(self_type, &written[1..]);
        }
        if depth < DEPTH && !matches!(first.as_str(), "" | "crate" | "self" | "super") {
            for at in (0..frames).rev() {
                let Frame::Block { names, path } = &self.frames[at] else {
                    continue;
                };
                if names.items.contains(first) {
                    return join(path, written);
                }
                if let Some(import) = names.imports.get(first) {
                    let full = join(import, &written[1..]);
                    let from = if import.first() == Some(first) { at } else { at + 1 };
                    return self.resolve_from(from, &full, depth + 1);
                }
                let found = names.globs.iter().find_map(|glob| {
                    let base = self.resolve_from(at, glob, depth + 1);
                    through_glob(self.modules, &base, written, depth)
                });
                if let Some(found) = found {
                    return found;
                }
            }
        }
        resolve_in(self.modules, &self.module, written, depth)
    }
}

/// Resolves a path written in `module`.
pub(crate) fn resolve_in(modules: &Modules, module: &[String], written: &[String], depth: usize) -> Segments {
    let Some(first) = written.first() else {
        return Segments::new();
    };
    match first.as_str() {
        "" => return outside(modules, module, &written[1..], depth),
        "crate" => return canonical(modules, &join(&module[..1.min(module.len())], &written[1..]), depth),
        "self" => return canonical(modules, &join(module, &written[1..]), depth),
        "super" => {
            let parent = &module[..module.len().saturating_sub(1).max(1)];
            let rest = &written[1..];
            let again = rest.first().is_some_and(|name| name == "super");
            return if again { resolve_in(modules, parent, rest, depth) } else { canonical(modules, &join(parent, rest), depth) };
        }
        _ => {}
    }
    let found = modules.get(module).filter(|_| depth < DEPTH).and_then(|names| in_names(modules, names, module, written, depth));
    found.unwrap_or_else(|| outside(modules, module, written, depth))
}

/// A path that begins with a crate: another one that was read as well, or one of which only names are known.
fn outside(modules: &Modules, module: &[String], written: &[String], depth: usize) -> Segments {
    let root = module.get(..1).and_then(|root| modules.get(root));
    let known = written.first().and_then(|first| root?.externs.get(first)).filter(|_| depth < DEPTH);
    known.map_or_else(
        || external(written),
        |name| {
            let path = join(std::slice::from_ref(name), &written[1..]);
            external(&canonical(modules, &path, depth + 1))
        },
    )
}

/// Whether a path begins with a crate whose source was read.
pub(crate) fn is_own(modules: &Modules, path: &[String]) -> bool {
    path.first().is_some_and(|first| first == "crate") || path.get(..1).is_some_and(|root| modules.contains_key(root))
}

/// Looks the first segment up in the names of one module, and in the modules whose names it imports with `*`, nearest first.
fn in_names(modules: &Modules, names: &Names, module: &[String], written: &[String], depth: usize) -> Option<Segments> {
    if let Some(path) = declared_in(modules, names, module, written, depth) {
        return Some(path);
    }
    let mut seen = HashSet::from([module]);
    let mut reached = vec![names];
    let mut at = 0;
    while let Some(names) = reached.get(at) {
        for (glob, base) in names.globs.iter().zip(&names.bases) {
            if glob.first() == written.first() {
                continue;
            }
            let Some(names) = modules.get(base) else {
                let path = of_glob(base, written);
                if path.is_some() {
                    return path;
                }
                continue;
            };
            if seen.insert(base) {
                let path = declared_in(modules, names, base, written, depth);
                if path.is_some() {
                    return path;
                }
                reached.push(names);
            }
        }
        at += 1;
    }
    None
}

/// What `written` means if the module itself declares or imports its first segment.
fn declared_in(modules: &Modules, names: &Names, module: &[String], written: &[String], depth: usize) -> Option<Segments> {
    let first = written.first()?;
    if names.items.contains(first) {
        return Some(canonical(modules, &join(module, written), depth + 1));
    }
    let import = names.imports.get(first)?;
    let full = join(import, &written[1..]);
    let crate_itself = import.first() == Some(first);
    Some(if crate_itself { outside(modules, module, &full, depth + 1) } else { resolve_in(modules, module, &full, depth + 1) })
}

/// What `written` means if `base::*` brings its first segment in.
fn through_glob(modules: &Modules, base: &[String], written: &[String], depth: usize) -> Option<Segments> {
    match modules.get(base) {
        Some(names) if depth < DEPTH => in_names(modules, names, base, written, depth + 1),
        Some(_) => None,
        None => of_glob(base, written),
    }
}

/// The same for a `base` whose source was not read: only what the rules know of is taken to be in it.
fn of_glob(base: &[String], written: &[String]) -> Option<Segments> {
    let path = external(&join(base, written));
    let name = &path[..path.len() - written.len() + 1];
    (base.first().is_none_or(|first| first != "crate") && (spelled_out(name) || is_vocabulary(name))).then_some(path)
}

/// Finds out once what every `use ..::*` of a module names, so that looking a name up never does.
pub(crate) fn settle_globs(modules: &mut Modules) {
    // At first only what modules declare and import by name is known; then also what globs bring in, from ever further away.
    for _ in 0..3 {
        let settled: Vec<(Segments, Vec<Segments>)> = modules
            .iter()
            .filter(|(_, names)| !names.globs.is_empty())
            .map(|(module, names)| {
                let bases = names.globs.iter().map(|glob| resolve_in(modules, module, glob, 0));
                (module.clone(), bases.collect())
            })
            .collect();
        for (module, bases) in settled {
            if let Some(names) = modules.get_mut(&module) {
                names.bases = bases;
            }
        }
    }
}

/// Follows re-exports of the file's own modules.
fn canonical(modules: &Modules, path: &[String], depth: usize) -> Segments {
    let inside = (1..=path.len()).rev().find(|end| modules.contains_key(&path[..*end])).unwrap_or(0);
    if depth >= DEPTH || inside == 0 || inside == path.len() {
        return path.to_vec();
    }
    let (module, rest) = path.split_at(inside);
    let Some(names) = modules.get(module) else {
        return path.to_vec();
    };
    if names.items.contains(&rest[0]) {
        return path.to_vec();
    }
    in_names(modules, names, module, rest, depth + 1).unwrap_or_else(|| path.to_vec())
}

/// One spelling for crates and modules that export the same thing twice.
fn external(path: &[String]) -> Segments {
    let mut path = path.to_vec();
    if let Some(first) = path.first_mut() {
        match first.as_str() {
            "core" | "alloc" => "std".clone_into(first),
            "futures_util" | "futures_core" => "futures".clone_into(first),
            _ => {}
        }
    }
    if path.len() > 3
        && path[0] == "std"
        && path[1] == "collections"
        && matches!(path[2].as_str(), "hash_map" | "hash_set")
        && path[3].starts_with("Hash")
    {
        path.remove(2);
    }
    path
}

fn join(base: &[String], rest: &[String]) -> Segments {
    base.iter().chain(rest).cloned().collect()
}

/// The names a pattern binds. An identifier that begins with a capital letter is a constant or a variant.
pub(crate) fn bound_names(pat: &Pat, found: &mut Vec<(String, proc_macro2::Span)>) {
    match pat {
        Pat::Ident(pat) => {
            let name = pat.ident.to_string();
            if pat.subpat.is_some() || !name.starts_with(char::is_uppercase) {
                found.push((name, pat.ident.span()));
            }
            if let Some((_, inner)) = &pat.subpat {
                bound_names(inner, found);
            }
        }
        Pat::Guard(pat) => bound_names(&pat.pat, found),
        // Every case of an or-pattern binds the same names.
        Pat::Or(pat) => pat.cases.first().into_iter().for_each(|case| bound_names(case, found)),
        Pat::Paren(pat) => bound_names(&pat.pat, found),
        Pat::Reference(pat) => bound_names(&pat.pat, found),
        Pat::Slice(pat) => pat.elems.iter().for_each(|elem| bound_names(elem, found)),
        Pat::Struct(pat) => pat.fields.iter().for_each(|field| bound_names(&field.pat, found)),
        Pat::Tuple(pat) => pat.elems.iter().for_each(|elem| bound_names(elem, found)),
        Pat::TupleStruct(pat) => pat.elems.iter().for_each(|elem| bound_names(elem, found)),
        Pat::Type(pat) => bound_names(&pat.pat, found),
        _ => {}
    }
}
