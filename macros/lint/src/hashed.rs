//! Which types stand in hash order when they are written or iterated.

use crate::declared::Declared;
use crate::refused::refused;
use crate::ty::Ty;

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
