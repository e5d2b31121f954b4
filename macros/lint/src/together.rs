//! Files read together: the modules of a crate, the crates of a workspace.
//!
//! Here a crate's own name for itself, `crate`, is the first segment of its modules' paths, so that several crates have room
//! in one [`Source`].

use crate::by_name::Methods;
use crate::collect::kind_of;
use crate::function::{Function, FunctionKind, Place};
use crate::scope::{Scope, settle_globs};
use crate::source::Source;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use syn::{Attribute, Item};

/// What each crate (the first segment of its paths) calls the crates it depends on, and what they are called in this source.
pub type Externs = HashMap<String, HashMap<String, String>>;

/// A file that is a module.
#[derive(Debug, Clone)]
pub struct Module<'a> {
    /// Its path; the first segment stands for the crate. It should be no identifier, so that nothing else is called so.
    pub path: Vec<String>,
    /// The file, as it stands in chains.
    pub file: Arc<str>,
    /// The items of the file.
    pub items: &'a [Item],
}

impl Source {
    /// Reads the files of a workspace together. Names and types are followed from file to file and from crate to crate, and a
    /// method call on a value of unknown type leads to the one method of that name.
    pub fn of_modules(modules: &[Module<'_>], externs: &Externs) -> Self {
        let mut source = Self::default();
        source.declared.is_whole = true;
        for module in modules {
            source.declared.collect_names(&module.path, module.items);
        }
        for (root, names) in externs {
            let root = source.declared.modules.entry(vec![root.clone()]).or_default();
            root.externs.extend(names.clone());
        }
        settle_globs(&mut source.declared.modules);
        for module in modules {
            source.declared.collect(&module.path, module.items);
        }
        let mut methods = Methods::default();
        for module in modules {
            methods.collect(&source.declared.modules, &module.path, module.items);
        }
        source.declared.methods = methods;
        let mut functions = Vec::new();
        for module in modules {
            source.walk(&module.file, &module.path, module.items, &mut functions);
        }
        for function in functions {
            source.add(function);
        }
        source
    }

    /// What an attribute makes of a function of a module.
    pub fn kind_of(&self, attr: &Attribute, module: &[String]) -> FunctionKind {
        let scope = Scope::<()>::new(&self.declared.modules, module.to_vec(), None);
        kind_of(std::slice::from_ref(attr), &scope)
    }

    /// Two functions with one path belong to different configurations: either can be the one that runs.
    fn add(&mut self, function: Function) {
        match self.functions.get_mut(&function.path) {
            Some(known) => {
                known.hits.extend(function.hits);
                known.mentions.extend(function.mentions);
            }
            None => {
                self.functions.insert(function.path.clone(), function);
            }
        }
    }

    /// Silences a rule on a line of a file: what stands there, and what is reached through a call there, is not reported.
    ///
    /// Says whether there is anything to silence.
    pub fn silence(&mut self, rule: &'static str, file: &str, line: usize) -> bool {
        let silenced = self.silenced.entry((Arc::from(file), line)).or_default();
        silenced.insert(rule);
        let here = |at: &Place| at.line == line && &*at.file == file;
        self.functions.values().any(|function| {
            let hit = function.hits.iter().any(|hit| hit.rule == rule && here(&hit.at));
            let mut mentions = function.mentions.iter().filter(|mention| here(&mention.at));
            hit || mentions.any(|mention| self.leads_to(rule, &mention.path))
        })
    }

    /// The rules that are silenced at a place.
    pub(crate) fn silenced_at(&self, at: &Place) -> impl Iterator<Item = &'static str> {
        let rules = if self.silenced.is_empty() { None } else { self.silenced.get(&(Arc::clone(&at.file), at.line)) };
        rules.into_iter().flatten().copied()
    }

    fn leads_to(&self, rule: &str, path: &[String]) -> bool {
        let mut seen = HashSet::from([path]);
        let mut open = vec![path];
        while let Some(path) = open.pop() {
            let Some(function) = self.function(path).filter(|function| function.kind == FunctionKind::Plain) else {
                continue;
            };
            if function.hits.iter().any(|hit| hit.rule == rule) {
                return true;
            }
            let mentions = function.mentions.iter().map(|mention| mention.path.as_slice());
            open.extend(mentions.filter(|path| seen.insert(path)));
        }
        false
    }
}
