//! What the items of a file or a block declare: types, statics, functions.

use crate::by_name::Methods;
use crate::function::FunctionKind;
use crate::names::Segments;
use crate::scope::Modules;
use crate::ty::{Local, Ty};
use std::collections::{HashMap, HashSet};

/// What the items of a file declare.
#[derive(Debug, Clone, Default)]
pub(crate) struct Declared {
    pub(crate) modules: Modules,
    pub(crate) outputs: HashMap<Segments, Ty>,
    /// The fields of structs; those without a name by their number.
    pub(crate) fields: HashMap<Segments, HashMap<String, Ty>>,
    /// The types of what is written of a type when it is recorded.
    pub(crate) written: HashMap<Segments, Vec<Ty>>,
    /// The traits that a type takes methods from; under no path those that every type does.
    pub(crate) traits: HashMap<Segments, Vec<Segments>>,
    pub(crate) statics: HashMap<Segments, Held>,
    pub(crate) kinds: HashMap<Segments, FunctionKind>,
    /// Types whose operations are an `#[entity]`'s.
    pub(crate) entities: HashSet<Segments>,
    /// Plain functions that start a call by `.start()` and await nothing.
    pub(crate) starters: HashSet<Segments>,
    /// Methods that only one type of a workspace has.
    pub(crate) methods: Methods,
    /// Whether it is a whole workspace, where what an annotated function holds is looked up as well.
    pub(crate) is_whole: bool,
}

/// A constant or a static.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) ty: Local,
    /// Whether it holds state that outlives an orchestration.
    pub(crate) state: bool,
}

impl Declared {
    pub(crate) fn merge(&mut self, other: Self) {
        self.outputs.extend(other.outputs);
        self.fields.extend(other.fields);
        self.written.extend(other.written);
        for (ty, traits) in other.traits {
            self.traits.entry(ty).or_default().extend(traits);
        }
        self.statics.extend(other.statics);
        self.kinds.extend(other.kinds);
        self.starters.extend(other.starters);
        self.entities.extend(other.entities);
    }

    /// The method of a trait that `path`, the type's own, stands for.
    pub(crate) fn inherited(&self, path: &[String]) -> Option<Segments> {
        let (name, ty) = path.split_last().filter(|_| !self.kinds.contains_key(path))?;
        let traits = self.traits.get(ty).into_iter().chain(self.traits.get(&[] as &[String])).flatten();
        let mut methods = traits.map(|path| path.iter().chain([name]).cloned().collect());
        methods.find(|path: &Segments| self.kinds.contains_key(path))
    }
}
