//! A type as a path with arguments, and what a pattern takes out of one.

use crate::names::{Segments, segments};
use crate::scope::{Scope, bound_names};
use syn::{GenericArgument, Pat, PathArguments, Type};

/// A type by resolved path; references and boxes are looked through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ty {
    pub(crate) path: Segments,
    pub(crate) args: Vec<Self>,
}

/// What the walk knows of a local.
pub(crate) type Local = Option<Ty>;

/// Stands for an array or a slice.
pub(crate) const LIST: &str = "[]";

impl Ty {
    pub(crate) fn of<T: Clone>(ty: &Type, scope: &Scope<'_, T>) -> Option<Self> {
        match ty {
            Type::Reference(ty) => Self::of(&ty.elem, scope),
            Type::Paren(ty) => Self::of(&ty.elem, scope),
            Type::Group(ty) => Self::of(&ty.elem, scope),
            Type::Tuple(ty) => {
                let args = ty.elems.iter().map(|ty| Self::of(ty, scope).unwrap_or_else(Self::unknown)).collect();
                Some(Self { path: vec!["()".to_owned()], args })
            }
            Type::Path(ty) if ty.qself.is_none() => {
                let path = scope.resolve(&segments(&ty.path));
                let args = ty.path.segments.last().map(|last| generics(&last.arguments, scope)).unwrap_or_default();
                let looked_through = matches!(path.last().map(String::as_str), Some("Box" | "Arc" | "Rc" | "Cow" | "MutexGuard"));
                match args.last() {
                    Some(inner) if looked_through => Some(inner.clone()),
                    _ => Some(Self { path, args }),
                }
            }
            Type::Slice(ty) => Some(Self::list(&ty.elem, scope)),
            Type::Array(ty) => Some(Self::list(&ty.elem, scope)),
            _ => None,
        }
    }

    fn list<T: Clone>(item: &Type, scope: &Scope<'_, T>) -> Self {
        Self { path: vec![LIST.to_owned()], args: vec![Self::of(item, scope).unwrap_or_else(Self::unknown)] }
    }

    /// What an iteration over it gives.
    pub(crate) fn item(self) -> Local {
        match self.path.last()?.as_str() {
            "HashMap" | "BTreeMap" | "IndexMap" => Some(Self { path: vec!["()".to_owned()], args: self.args }),
            "Vec" | "VecDeque" | "Option" | "BTreeSet" | "HashSet" | "IndexSet" | LIST => self.args.into_iter().next(),
            _ => None,
        }
    }

    pub(crate) fn unknown() -> Self {
        Self { path: vec!["_".to_owned()], args: Vec::new() }
    }

    pub(crate) fn named(path: Segments) -> Self {
        Self { path, args: Vec::new() }
    }

    /// The value inside an `Option` or a `Result`, or the type itself.
    pub(crate) fn inner(self) -> Self {
        let wraps = matches!(self.path.last().map(String::as_str), Some("Option" | "Result"));
        if wraps { self.args.into_iter().next().unwrap_or_else(Self::unknown) } else { self }
    }
}

pub(crate) fn generics<T: Clone>(arguments: &PathArguments, scope: &Scope<'_, T>) -> Vec<Ty> {
    let PathArguments::AngleBracketed(arguments) = arguments else {
        return Vec::new();
    };
    let types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(Ty::of(ty, scope).unwrap_or_else(Ty::unknown)),
        _ => None,
    });
    types.collect()
}

/// Binds the names of a pattern matched against a value of type `ty`.
pub(crate) fn bind(pat: &Pat, ty: Local, scope: &mut Scope<'_, Local>) {
    let ty = ty.filter(|ty| *ty != Ty::unknown());
    match pat {
        Pat::Ident(ident) if ident.subpat.is_none() => {
            let name = ident.ident.to_string();
            if !name.starts_with(char::is_uppercase) {
                scope.bind(name, ty);
            }
        }
        Pat::Type(typed) => {
            let declared = Ty::of(&typed.ty, scope);
            let open = declared.as_ref().is_none_or(|ty| ty.path == ["_"]);
            bind(&typed.pat, if open { ty } else { declared }, scope);
        }
        Pat::Reference(pat) => bind(&pat.pat, ty, scope),
        Pat::Paren(pat) => bind(&pat.pat, ty, scope),
        Pat::Guard(pat) => bind(&pat.pat, ty, scope),
        Pat::Tuple(pat) => {
            let args = ty.filter(|ty| ty.path == ["()"]).map(|ty| ty.args).unwrap_or_default();
            for (index, elem) in pat.elems.iter().enumerate() {
                bind(elem, args.get(index).cloned(), scope);
            }
        }
        Pat::TupleStruct(pat) if pat.elems.len() == 1 => {
            let peels = pat.path.segments.last().is_some_and(|last| last.ident == "Some" || last.ident == "Ok");
            bind(&pat.elems[0], ty.filter(|_| peels).map(Ty::inner), scope);
        }
        other => {
            let mut names = Vec::new();
            bound_names(other, &mut names);
            for (name, _) in names {
                scope.bind(name, None);
            }
        }
    }
}
