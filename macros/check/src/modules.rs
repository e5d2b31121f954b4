//! The files of a workspace, each read and parsed once, and the modules they are.

use crate::problem::Problem;
use crate::test_only;
use crate::workspace::{Crate, Workspace};
use dacapo_lint::Place;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use syn::ext::IdentExt;
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, Item, ItemMod, Lit, Meta, Token};

/// A file that was read. Without a byte order mark and a `#!` line.
#[derive(Debug)]
pub(crate) struct File {
    /// From the root of the workspace.
    pub(crate) name: Arc<str>,
    pub(crate) text: String,
    pub(crate) items: Vec<Item>,
    /// Whether it belongs to a package that is to be checked.
    pub(crate) chosen: bool,
}

/// A file in its place in a crate; one file can be several modules.
#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) path: Vec<String>,
    /// Index of the file.
    pub(crate) file: usize,
    pub(crate) package: String,
    pub(crate) chosen: bool,
}

/// Everything that was read.
#[derive(Debug, Default)]
pub(crate) struct Files {
    pub(crate) files: Vec<File>,
    pub(crate) modules: Vec<Module>,
    pub(crate) problems: Vec<Problem>,
    /// `None` for a file that could not be read.
    known: HashMap<PathBuf, Option<usize>>,
}

/// Where the modules that a file or an inline module declares are looked for.
#[derive(Debug, Clone)]
struct Folders {
    /// For `mod name;`.
    children: PathBuf,
    /// For `#[path = ".."] mod name;`.
    paths: PathBuf,
}

impl Files {
    /// Reads every file of the crates of a workspace. What cannot be read is a problem, and the rest is read all the same.
    pub(crate) fn read(workspace: &Workspace) -> Self {
        let mut files = Self::default();
        for krate in &workspace.crates {
            let mut reader = Reader { files: &mut files, root: &workspace.root, krate, inside: Vec::new() };
            reader.file(vec![krate.name.clone()], &krate.file, true);
        }
        files
    }

    /// The text of the file of that name.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.files.iter().find(|file| &*file.name == name).map_or("", |file| &file.text)
    }
}

/// Reads one crate.
struct Reader<'a> {
    files: &'a mut Files,
    root: &'a Path,
    krate: &'a Crate,
    /// The files around, so that a file that declares itself is not read for ever.
    inside: Vec<PathBuf>,
}

impl Reader<'_> {
    /// Reads the file of a module; `owns_folder` when its modules are its neighbours, as for `mod.rs`.
    fn file(&mut self, path: Vec<String>, file: &Path, owns_folder: bool) {
        if self.inside.iter().any(|around| around == file) {
            return;
        }
        let Some(index) = self.parsed(file) else { return };
        let folder = file.parent().unwrap_or(Path::new(""));
        let children = match file.file_stem() {
            Some(stem) if !owns_folder => folder.join(stem),
            _ => folder.to_owned(),
        };
        let folders = Folders { children, paths: folder.to_owned() };
        self.files.files[index].chosen |= self.krate.chosen;
        self.files.modules.push(Module {
            path: path.clone(),
            file: index,
            package: self.krate.package.clone(),
            chosen: self.krate.chosen,
        });
        let mut declared = Vec::new();
        declarations(&self.files.files[index].items, &path, &folders, &mut declared);
        let name = Arc::clone(&self.files.files[index].name);
        self.inside.push(file.to_owned());
        for declaration in declared {
            self.module(declaration, &name);
        }
        self.inside.pop();
    }

    fn module(&mut self, declared: Declaration, by: &Arc<str>) {
        let Declaration { path, candidates, conditional, at } = declared;
        let mut found = false;
        for (file, owns_folder) in &candidates {
            if file.is_file() {
                found = true;
                self.file(path.clone(), file, *owns_folder);
            }
        }
        if !found && !conditional {
            let expected: Vec<String> = candidates.iter().map(|(file, _)| format!("`{}`", name_of(self.root, file))).collect();
            let name = path.last().map_or("", String::as_str);
            self.files.problems.push(Problem {
                message: format!("there is no file for the module `{name}`: looked for {}", expected.join(" and ")),
                at: Some(Place::of(at, by)),
            });
        }
    }

    fn parsed(&mut self, file: &Path) -> Option<usize> {
        if let Some(known) = self.files.known.get(file) {
            return *known;
        }
        let name: Arc<str> = name_of(self.root, file).into();
        let index = match std::fs::read_to_string(file) {
            Ok(text) => self.parse(name, plain(text)),
            Err(error) => {
                self.files.problems.push(Problem { message: format!("cannot read `{name}`: {error}"), at: None });
                None
            }
        };
        self.files.known.insert(file.to_owned(), index);
        index
    }

    fn parse(&mut self, name: Arc<str>, text: String) -> Option<usize> {
        let (items, problem) = match syn::parse_file(&text) {
            Ok(mut parsed) => {
                test_only::remove(&mut parsed);
                (Some(parsed.items), None)
            }
            Err(error) => {
                let problem = Problem {
                    message: format!("`{name}` is not Rust that can be read: {error}"),
                    at: Some(Place::of(error.span(), &name)),
                };
                (None, Some(problem))
            }
        };
        self.files.problems.extend(problem);
        let read = items.is_some();
        // The text of a broken file is kept to show where it is broken.
        self.files.files.push(File { name, text, items: items.unwrap_or_default(), chosen: false });
        read.then_some(self.files.files.len() - 1)
    }
}

/// `mod name;`
#[derive(Debug)]
struct Declaration {
    path: Vec<String>,
    /// The files it can be, and whether each owns its folder.
    candidates: Vec<(PathBuf, bool)>,
    /// Whether some configuration does without it.
    conditional: bool,
    at: proc_macro2::Span,
}

fn declarations(items: &[Item], module: &[String], folders: &Folders, found: &mut Vec<Declaration>) {
    for item in items {
        let Item::Mod(item) = item else { continue };
        let name = item.ident.unraw().to_string();
        // Paths hold names as they are written.
        let path: Vec<String> = module.iter().cloned().chain([item.ident.to_string()]).collect();
        let given = given_paths(&item.attrs);
        if let Some((_, items)) = &item.content {
            let folder = match given.first() {
                Some(given) => folders.paths.join(given),
                None => folders.children.join(name),
            };
            let folders = Folders { children: folder.clone(), paths: folder };
            declarations(items, &path, &folders, found);
        } else {
            found.push(declaration(item, &name, path, &given, folders));
        }
    }
}

fn declaration(item: &ItemMod, name: &str, path: Vec<String>, given: &[String], folders: &Folders) -> Declaration {
    let mut candidates: Vec<(PathBuf, bool)> = given.iter().map(|path| (folders.paths.join(path), true)).collect();
    let only_given = item.attrs.iter().any(|attr| attr.path().is_ident("path"));
    if !only_given {
        candidates.push((folders.children.join(format!("{name}.rs")), false));
        candidates.push((folders.children.join(name).join("mod.rs"), true));
    }
    Declaration {
        path,
        candidates,
        conditional: item.attrs.iter().any(|attr| attr.path().is_ident("cfg")),
        at: item.ident.span(),
    }
}

/// The paths of `#[path = ".."]` and `#[cfg_attr(.., path = "..")]`.
fn given_paths(attrs: &[Attribute]) -> Vec<String> {
    let mut paths = Vec::new();
    for attr in attrs {
        if attr.path().is_ident("cfg_attr") {
            let metas = attr.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
            paths.extend(metas.iter().flatten().skip(1).filter_map(path_of));
        } else {
            paths.extend(path_of(&attr.meta));
        }
    }
    paths
}

fn path_of(meta: &Meta) -> Option<String> {
    let Meta::NameValue(meta) = meta else { return None };
    match &meta.value {
        Expr::Lit(value) if meta.path.is_ident("path") => match &value.lit {
            Lit::Str(path) => Some(path.value()),
            _ => None,
        },
        _ => None,
    }
}

/// The text without a byte order mark, and with spaces for a `#!` line, so that positions are those of the parser.
fn plain(text: String) -> String {
    let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
    if text.starts_with("#!") && !text[2..].trim_start().starts_with('[') {
        let end = text.find('\n').unwrap_or(text.len());
        return format!("{}{}", " ".repeat(end), &text[end..]);
    }
    text
}

/// The name of a file from the root of the workspace, with `/` on every system.
fn name_of(root: &Path, file: &Path) -> String {
    let inside = file.strip_prefix(root).unwrap_or(file);
    inside.to_string_lossy().replace('\\', "/")
}
